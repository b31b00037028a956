"""Where runs are shown: Weights & Biases and the terminal."""

from sesemi_search.tracking.choose import disabling_variable, run_tracker, search_tracker, wandb_tracker
from sesemi_search.tracking.terminal import TerminalProgress
from sesemi_search.tracking.tracker import RunStart, Tracker

__all__ = [
    "RunStart",
    "TerminalProgress",
    "Tracker",
    "disabling_variable",
    "run_tracker",
    "search_tracker",
    "wandb_tracker",
]
