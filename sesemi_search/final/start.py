"""Where a final run begins: from its seed, from a checkpoint of its own, or from other weights."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sesemi_search.config.schema import ExperimentConfig, TestCheckpoint
from sesemi_search.errors import ConfigError, SesemiSearchError
from sesemi_search.metrics import BEST_METRIC, Objective, is_more_better
from sesemi_search.models.classifier import BACKBONE_KEY
from sesemi_search.models.weights import are_weights
from sesemi_search.training import Fit, load_checkpoint
from sesemi_search.training.checkpoint import CheckpointError

__all__ = ["begin", "best_epoch", "epoch_objective"]

_RESUME_KEY = "run.resume_from_checkpoint"
_PRETRAINED_KEY = "run.pretrained_checkpoint_path"
_RESUME_TAKES = "it takes a last.pt or best.pt of this program"
_PRETRAINED_TAKES = "it takes a model.pt of this program"
_STATE = {"model", "optimizer", "epoch", "num_epochs", "history"}  # some of what the state of a run holds
_FOR_BACKBONES = f"To begin with a backbone alone, set {BACKBONE_KEY}.checkpoint."


def begin(fit: Fit, config: ExperimentConfig) -> dict[str, Any] | None:
    """Brings a new Fit to where its run begins. Nothing is written.

    Args:
        fit: A Fit that has not trained.
        config: The experiment, whose `run` may name a checkpoint or weights.

    Returns:
        The state of the best epoch so far, or None where no epoch is behind.

    Raises:
        ConfigError: The file is missing, broken or another experiment's.
    """
    run = config.run
    if run.resume_from_checkpoint and run.pretrained_checkpoint_path:
        raise ConfigError(
            "",
            f"{_RESUME_KEY} and {_PRETRAINED_KEY} are both set. The first goes on with a run, the second begins a "
            "new one; set one to null.",
        )
    if run.pretrained_checkpoint_path:
        _load_pretrained(fit, Path(run.pretrained_checkpoint_path))
    if run.resume_from_checkpoint:
        return _resume(fit, config, Path(run.resume_from_checkpoint))
    return None


def epoch_objective(config: ExperimentConfig) -> Objective:
    """Returns by what the best epoch of a run is the best: `run.best_metric`, which the check before has seen."""
    name = config.run.best_metric or BEST_METRIC
    return Objective(name, is_more_better(name, config.learner.metrics) is not False)


def best_epoch(history: Sequence[Mapping[str, float]], objective: Objective) -> int:
    """Returns the first epoch (from 1 on) that is the best by an objective, NaN being worst; 0 of an empty history."""

    def rank(epoch: int) -> tuple[bool, float]:
        value = history[epoch - 1][objective.name]
        return not math.isnan(value), value if objective.maximize else -value

    return max(range(1, len(history) + 1), key=rank, default=0)


def _resume(fit: Fit, config: ExperimentConfig, path: Path) -> dict[str, Any] | None:
    """Loads a full state, and finds the best one of the epochs behind it."""
    try:
        state = load_checkpoint(path)
    except CheckpointError as error:
        raise ConfigError(_RESUME_KEY, f"{str(error).rstrip('.')}; {_RESUME_TAKES}.") from error
    if not state.keys() >= _STATE:
        raise ConfigError(
            _RESUME_KEY, f"{path} {_describe(state)}; {_RESUME_TAKES}. To begin with weights, set {_PRETRAINED_KEY}."
        )
    try:
        fit.load_state_dict(state)
    except SesemiSearchError as error:
        raise ConfigError(_RESUME_KEY, f"got {str(path)!r}; {error}") from error
    objective = epoch_objective(config)
    if any(objective.name not in metrics for metrics in fit.history):
        raise ConfigError(_RESUME_KEY, f"got {str(path)!r}, whose epochs have no {objective.name} (run.best_metric).")
    best = best_epoch(fit.history, objective)
    if best == fit.epoch:
        return state
    beside = path.with_name("best.pt")
    try:
        candidate = load_checkpoint(beside)
    except SesemiSearchError:
        candidate = {}
    if candidate.get("history") == fit.history[:best]:
        return candidate
    if config.run.test_checkpoint is TestCheckpoint.last:
        return None
    raise ConfigError(
        _RESUME_KEY,
        f"got {str(path)!r}; the best epoch behind it is {best}, but {beside} is not there or is not of "
        "that epoch. Put best.pt of the same run beside it, or set run.test_checkpoint=last.",
    )


def _load_pretrained(fit: Fit, path: Path) -> None:
    """Loads weights, and nothing but weights."""
    try:
        weights = load_checkpoint(path)
    except CheckpointError as error:
        raise ConfigError(_PRETRAINED_KEY, f"{str(error).rstrip('.')}; {_PRETRAINED_TAKES}.") from error
    if not are_weights(weights):
        advice = f"To go on, use {_RESUME_KEY}." if weights.keys() >= _STATE else _FOR_BACKBONES
        raise ConfigError(_PRETRAINED_KEY, f"{path} {_describe(weights)}; {_PRETRAINED_TAKES}. {advice}")
    try:
        fit.load_weights(weights)
    except SesemiSearchError as error:
        raise ConfigError(_PRETRAINED_KEY, f"got {str(path)!r}; {error} {_FOR_BACKBONES}") from error


def _describe(content: Mapping[str, Any]) -> str:
    """Says what a file holds that is not of the kind that a key takes."""
    if "pytorch-lightning_version" in content:
        return "is a checkpoint of Lightning, as SESEMI writes them, which are not read"
    if content.keys() >= _STATE:
        return "holds a whole run"
    return "holds weights alone" if are_weights(content) else "holds neither a run nor weights of this program"
