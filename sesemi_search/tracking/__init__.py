"""Where runs are shown: Weights & Biases and the terminal."""

from sesemi_search.tracking.choose import disabling_variable, run_tracker, search_tracker, wandb_tracker
from sesemi_search.tracking.terminal import TerminalProgress
from sesemi_search.tracking.tracker import RunStart, Tracker, Trackers
from sesemi_search.tracking.weights_and_biases import WandbTracker

__all__ = [
    "RunStart",
    "TerminalProgress",
    "Tracker",
    "Trackers",
    "WandbTracker",
    "disabling_variable",
    "run_tracker",
    "search_tracker",
    "wandb_tracker",
]
