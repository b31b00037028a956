"""Which trackers a search or a final run gets."""

from pathlib import Path

from rich.console import Console

from sesemi_search.config.schema import SearchExperimentConfig, TrackingConfig, TrackingKind
from sesemi_search.tracking.fan_out import Trackers
from sesemi_search.tracking.terminal import TerminalEpochs, TerminalProgress
from sesemi_search.tracking.tracker import Tracker
from sesemi_search.tracking.weights_and_biases import WandbTracker

__all__ = ["run_tracker", "search_tracker"]


def search_tracker(settings: SearchExperimentConfig, directory: Path, console: Console) -> Tracker:
    """Returns what shows the trials of a search: the terminal, and Weights & Biases unless `tracking=none`."""
    search = settings.search
    progress = TerminalProgress(console, search.metric, search.mode.value, search.num_trials)
    return _with_wandb(progress, settings.tracking, directory, console)


def run_tracker(tracking: TrackingConfig, directory: Path, console: Console) -> Tracker:
    """Returns what shows a final run."""
    return _with_wandb(TerminalEpochs(console), tracking, directory, console)


def _with_wandb(terminal: Tracker, tracking: TrackingConfig, directory: Path, console: Console) -> Tracker:
    trackers = [terminal]
    if tracking.kind is TrackingKind.wandb:
        trackers.append(
            WandbTracker(
                directory=directory,
                project=tracking.project,
                entity=tracking.entity,
                mode=tracking.mode.value,
                init_timeout_s=tracking.init_timeout_s,
                finish_timeout_s=tracking.finish_timeout_s,
                say=console.print,
            )
        )
    return Trackers(trackers, console.print)
