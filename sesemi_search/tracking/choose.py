"""Which trackers a search or a final run gets."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from sesemi_search.config.schema import TrackingConfig, TrackingKind, TrackingMode
from sesemi_search.tracking.terminal import TerminalEpochs, TerminalProgress
from sesemi_search.tracking.tracker import Tracker, Trackers
from sesemi_search.tracking.weights_and_biases import WandbTracker

__all__ = ["disabling_variable", "result_tracker", "run_tracker", "search_tracker", "wandb_tracker"]

logger = logging.getLogger(__name__)


def search_tracker(
    tracking: TrackingConfig, progress: TerminalProgress, directory: Path, of_search: Callable[[WandbTracker], Tracker]
) -> Tracker:
    """Returns what shows the trials of a search: the terminal, and Weights & Biases unless `tracking=none`.

    Args:
        tracking: The search's `tracking`.
        progress: What shows them in the terminal.
        directory: The search directory.
        of_search: Makes of what tells W&B of the trials what tells it of the search as well.
    """
    return _with_wandb(progress, tracking, directory, of_search)


def result_tracker(tracking: TrackingConfig, directory: Path) -> WandbTracker | None:
    """Returns what shows the result of a search's final run in Weights & Biases; None where it is not to be shown."""
    if tracking.kind is not TrackingKind.wandb or disabling_variable(tracking) is not None:
        return None
    return wandb_tracker(tracking, directory)


def run_tracker(tracking: TrackingConfig, directory: Path, console: Console, metrics: Sequence[str]) -> Tracker:
    """Returns what shows a final run, and of the validation split also the metrics of these names."""
    return _with_wandb(TerminalEpochs(console, metrics), tracking, directory, lambda tracker: tracker)


def wandb_tracker(tracking: TrackingConfig, directory: Path) -> WandbTracker:
    """Returns what writes W&B runs, whatever `tracking.kind` says."""
    return WandbTracker(
        directory=directory,
        project=tracking.project,
        entity=tracking.entity,
        mode=_mode(tracking),
        init_timeout_s=tracking.init_timeout_s,
        finish_timeout_s=tracking.finish_timeout_s,
    )


def _with_wandb(
    terminal: Tracker, tracking: TrackingConfig, directory: Path, wrap: Callable[[WandbTracker], Tracker]
) -> Tracker:
    trackers: list[Tracker] = [terminal]
    if tracking.kind is TrackingKind.wandb:
        if variable := disabling_variable(tracking):
            logger.info(f"W&B: nothing is written ({variable} in the environment)")
        else:
            trackers.append(wrap(wandb_tracker(tracking, directory)))
    return Trackers(trackers)


def disabling_variable(tracking: TrackingConfig) -> str | None:
    """Returns the variable, with its value, that switches W&B off; a `tracking.mode` wins over it."""
    if tracking.mode is not TrackingMode.auto:
        return None
    mode, disabled = os.environ.get("WANDB_MODE", ""), os.environ.get("WANDB_DISABLED", "")
    if mode.lower() == "disabled":
        return f"WANDB_MODE={mode}"
    return f"WANDB_DISABLED={disabled}" if disabled.lower() in ("true", "1", "yes", "on") else None


def _mode(tracking: TrackingConfig) -> str:
    """Returns `tracking.mode`; where that is auto, WANDB_MODE may say offline."""
    if tracking.mode is TrackingMode.auto and os.environ.get("WANDB_MODE", "").lower() in ("offline", "dryrun"):
        return TrackingMode.offline.value
    return tracking.mode.value
