"""Where runs are shown: Weights & Biases and the terminal."""

from sesemi_search.tracking.choose import run_tracker, search_tracker, wandb_tracker
from sesemi_search.tracking.tracker import RunStart, Tracker

__all__ = ["RunStart", "Tracker", "run_tracker", "search_tracker", "wandb_tracker"]
