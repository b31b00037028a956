"""What a search will cost, from the seconds that an epoch takes: at most, and with successive halving on average."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

__all__ = ["SearchCost", "Trial", "estimate_cost", "halved_epochs"]

# The defaults of optuna.pruners.SuccessiveHalvingPruner.
_HALVING = {"min_resource": "auto", "reduction_factor": 4, "min_early_stopping_rate": 0}
# Those of sesemi_search.search.pruners.ArchitectureHalvingPruner.
_LATE_HALVING = {"reduction_factor": 3, "num_rungs": 2}


@dataclass(frozen=True)
class Trial:
    """One kind of trial that a search may draw: seconds of an epoch, and epochs."""

    epoch_seconds: float
    num_epochs: int


@dataclass(frozen=True)
class SearchCost:
    """Hours of cores or GPUs.

    Attributes:
        at_most: Every trial is of the slowest kind and none is stopped.
        unstopped: All kinds are drawn equally often and no trial is stopped.
        halved: As `unstopped`, but a successive-halving pruner stops its share; None with another pruner.
    """

    at_most: float
    unstopped: float
    halved: float | None


def estimate_cost(trials: Sequence[Trial], num_trials: int, share: float, pruner: Mapping[str, Any]) -> SearchCost:
    """Returns what a search will cost.

    Args:
        trials: Each kind of trial that was measured.
        num_trials: Trials of the search.
        share: GPUs, or cores, of a trial.
        pruner: Node of `search.pruner`.
    """
    hours = num_trials * share / 3600
    full = [trial.epoch_seconds * trial.num_epochs for trial in trials]
    epochs = [halved_epochs(trial.num_epochs, pruner) for trial in trials]
    halved = [trial.epoch_seconds * e for trial, e in zip(trials, epochs, strict=True) if e is not None]
    is_halving = bool(halved) and len(halved) == len(trials)
    return SearchCost(max(full) * hours, _mean(full) * hours, _mean(halved) * hours if is_halving else None)


def halved_epochs(num_epochs: int, pruner: Mapping[str, Any]) -> float | None:
    """Returns the epochs that a trial runs on average under successive halving; None with another pruner.

    Every trial runs the first rung's epochs. Of those that reach a rung one in f goes on: `r1 + (r2 - r1) / f +
    (r3 - r2) / f^2 + ...`, the last term up to `num_epochs`.

    Args:
        num_epochs: Epochs of a trial that is not stopped.
        pruner: Node of `search.pruner`.
    """
    found = _rungs(num_epochs, pruner)
    if found is None:
        return None
    rungs, factor = found
    epochs, alive, before = 0.0, 1.0, 0
    for rung in [*rungs, num_epochs]:
        epochs += alive * (rung - before)
        alive, before = alive / factor, rung
    return epochs


def _rungs(num_epochs: int, pruner: Mapping[str, Any]) -> tuple[list[int], int] | None:
    """Returns the rungs below `num_epochs` of either successive halving, and of how many one goes on."""
    target = str(pruner.get("_target_"))
    if target.endswith(".ArchitectureHalvingPruner"):
        settings = {**_LATE_HALVING, **pruner}
        factor = settings["reduction_factor"]
        rungs = {round(settings["max_resource"] / factor**k) for k in range(1, settings["num_rungs"] + 1)}
        return sorted(rung for rung in rungs if 1 <= rung < num_epochs), factor
    settings = {**_HALVING, **pruner}
    # "auto" is decided by the first trial that completes.
    if not target.endswith(".SuccessiveHalvingPruner") or not isinstance(settings["min_resource"], int):
        return None
    factor = settings["reduction_factor"]
    first = settings["min_resource"] * factor ** settings["min_early_stopping_rate"]
    geometric = (first * factor**k for k in range(num_epochs))
    return list(takewhile(lambda rung: rung < num_epochs, geometric)), factor


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
