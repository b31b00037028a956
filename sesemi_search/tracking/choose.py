"""Which trackers a search or a final run gets."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from sesemi_search.config.schema import SearchExperimentConfig, TrackingConfig, TrackingKind
from sesemi_search.tracking.terminal import TerminalEpochs, TerminalProgress
from sesemi_search.tracking.tracker import Tracker, Trackers
from sesemi_search.tracking.weights_and_biases import WandbTracker

__all__ = ["run_tracker", "search_tracker", "wandb_tracker"]


def search_tracker(
    settings: SearchExperimentConfig,
    metric: str,
    mode: str,
    directory: Path,
    console: Console,
    ended: Mapping[str, int],
    best: tuple[float, int] | None,
) -> Tracker:
    """Returns what shows the trials of a search: the terminal, and Weights & Biases unless `tracking=none`.

    Args:
        settings: The search's config.
        metric: Name of the first objective.
        mode: `max` or `min`.
        directory: The search directory.
        console: The terminal.
        ended: Trials of earlier sittings by outcome.
        best: Value and number of the best of them.
    """
    progress = TerminalProgress(console, metric, mode, settings.search.num_trials, ended, best)
    return _with_wandb(progress, settings.tracking, directory)


def run_tracker(tracking: TrackingConfig, directory: Path, console: Console) -> Tracker:
    """Returns what shows a final run."""
    return _with_wandb(TerminalEpochs(console), tracking, directory)


def wandb_tracker(tracking: TrackingConfig, directory: Path) -> WandbTracker:
    """Returns what writes W&B runs, whatever `tracking.kind` says."""
    return WandbTracker(
        directory=directory,
        project=tracking.project,
        entity=tracking.entity,
        mode=tracking.mode.value,
        init_timeout_s=tracking.init_timeout_s,
        finish_timeout_s=tracking.finish_timeout_s,
    )


def _with_wandb(terminal: Tracker, tracking: TrackingConfig, directory: Path) -> Tracker:
    trackers: list[Tracker] = [terminal]
    if tracking.kind is TrackingKind.wandb:
        trackers.append(wandb_tracker(tracking, directory))
    return Trackers(trackers)
