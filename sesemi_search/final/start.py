"""Where a final run begins: from its seed, from a checkpoint of its own, or from other weights."""

from pathlib import Path
from typing import Any

from sesemi_search.config.errors import ConfigError, SesemiSearchError
from sesemi_search.config.schema import RunConfig, TestCheckpoint
from sesemi_search.training import Fit, load_checkpoint

__all__ = ["begin", "best_epoch"]

_RESUME_KEY = "run.resume_from_checkpoint"
_PRETRAINED_KEY = "run.pretrained_checkpoint_path"


def begin(fit: Fit, run: RunConfig) -> dict[str, Any] | None:
    """Brings a new Fit to where its run begins. Nothing is written.

    Args:
        fit: A Fit that has not trained.
        run: The run config, which may name a checkpoint or weights.

    Returns:
        The state of the best epoch so far, or None where no epoch is behind.

    Raises:
        ConfigError: The file is missing, broken or another experiment's.
    """
    if run.resume_from_checkpoint and run.pretrained_checkpoint_path:
        raise ConfigError(
            f"{_RESUME_KEY} and {_PRETRAINED_KEY} are both set. The first goes on with a run, the second begins a "
            "new one; set one to null."
        )
    if run.pretrained_checkpoint_path:
        _load_pretrained(fit, Path(run.pretrained_checkpoint_path))
    if run.resume_from_checkpoint:
        return _resume(fit, Path(run.resume_from_checkpoint), run.test_checkpoint)
    return None


def best_epoch(history: list[dict[str, float]]) -> int:
    """Returns the first epoch (from 1 on) whose val/top1 is the best; 0 of an empty history."""
    top1 = [metrics["val/top1"] for metrics in history]
    return top1.index(max(top1)) + 1 if top1 else 0


def _resume(fit: Fit, path: Path, test_checkpoint: TestCheckpoint) -> dict[str, Any] | None:
    """Loads a full state, and finds the best one of the epochs behind it."""
    try:
        state = load_checkpoint(path)
        fit.load_state_dict(state)
    except SesemiSearchError as error:
        raise ConfigError(f"{_RESUME_KEY}: {error}") from error
    best = best_epoch(fit.history)
    if best == fit.epoch:
        return state
    beside = path.with_name("best.pt")
    try:
        candidate = load_checkpoint(beside)
    except SesemiSearchError:
        candidate = {}
    if candidate.get("history") == fit.history[:best]:
        return candidate
    if test_checkpoint is TestCheckpoint.last:
        return None
    raise ConfigError(
        f"{_RESUME_KEY}: got {str(path)!r}; the best epoch behind it is {best}, but {beside} is not there or is not of "
        "that epoch. Put best.pt of the same run beside it, or set run.test_checkpoint=last."
    )


def _load_pretrained(fit: Fit, path: Path) -> None:
    """Loads weights, and nothing but weights."""
    try:
        weights = load_checkpoint(path)
        if {"model", "optimizer"} <= weights.keys():
            raise SesemiSearchError(
                f"{path} holds a whole run; it takes weights (model.pt). To go on, use {_RESUME_KEY}."
            )
        fit.load_weights(weights)
    except SesemiSearchError as error:
        raise ConfigError(f"{_PRETRAINED_KEY}: {error}") from error
