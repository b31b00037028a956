"""The ranges of values that their types alone do not hold."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

__all__ = ["RANGES", "check_values"]

_SIZE = "a number of images, at least 1, a share of them between 0 and 1 (0.1), or null for the source's own {} split"
# By dotted key: whether a value is in the range, and what is.
RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "run.num_epochs": (lambda v: v >= 1, "a whole number, at least 1"),
    "run.batch_size_per_gpu": (lambda v: v >= 1, "a whole number, at least 1"),
    "run.num_threads": (lambda v: v >= 1, "a whole number, at least 1"),
    "run.num_workers": (lambda v: v >= 0, "a whole number, at least 0"),
    "run.prefetch_factor": (lambda v: v >= 1, "a whole number, at least 1"),
    "run.memory_share": (lambda v: 0 <= v <= 1, "a share of the available memory, between 0 and 1"),
    "run.gpus": (
        lambda v: 0 <= v <= 1,
        "0, a fraction (several trials share a GPU) or 1; a search runs trials on several GPUs at once, one on each",
    ),
    "run.gradient_clip_norm": (lambda v: v > 0, "a positive number, or null for no clipping"),
    "data.image_size": (lambda v: v >= 1, "a size in pixels, at least 1"),
    "data.channels": (lambda v: v >= 1, "a whole number, at least 1"),
    "data.val_size": (lambda v: _is_size(v), _SIZE.format("validation")),
    "data.test_size": (lambda v: _is_size(v), _SIZE.format("test")),
    "data.train_fraction": (lambda v: 0 < v <= 1, "a share of the training images, above 0 and at most 1"),
    "data.class_weights": (lambda v: _is_weights(v), "null, balanced, or a positive number for each class"),
    "data.split_seed": (lambda v: v >= 0, "a whole number, at least 0"),
    "data.mean": (lambda v: all(map(math.isfinite, v)), "a number for each channel"),
    "data.std": (lambda v: all(math.isfinite(x) and x > 0 for x in v), "a positive number for each channel"),
    "learner.hparams.num_classes": (lambda v: v >= 2, "a whole number, at least 2"),
    "learner.hparams.model.ema.decay": (lambda v: 0 < v < 1, "a number between 0 and 1, or null for no average"),
    "learner.hparams.lr_scheduler.frequency": (lambda v: v >= 1, "a whole number, at least 1"),
    "search.num_trials": (lambda v: v >= 1, "a whole number, at least 1"),
    "search.max_concurrent": (lambda v: v >= 1, "a whole number, at least 1, or null for all that the machine holds"),
    "search.max_attempts": (lambda v: v >= 1, "a whole number, at least 1"),
    "search.warm_start": (lambda v: all(isinstance(x, str) for x in v), "a list of search directories"),
    "search.compute_budget": (lambda v: v > 0, "a positive number of GPU-hours (core-hours on the CPU), or null"),
    "search.best_within": (lambda v: v >= 0, "a number of at least 0, in the unit of the first metric"),
    "search.constraints.max_params": (lambda v: v >= 1, "a number of parameters, at least 1, or null"),
    "search.constraints.max_flops": (lambda v: v >= 1, "a number of operations, at least 1, or null"),
    "search.keep_checkpoints": (lambda v: v >= 0, "a whole number, at least 0"),
    "tracking.init_timeout_s": (lambda v: v > 0, "a positive number of seconds"),
    "tracking.finish_timeout_s": (lambda v: v > 0, "a positive number of seconds"),
}


def check_values(config: DictConfig) -> Iterator[str]:
    """Yields a message for each value outside its range.

    Keys that are absent, missing or null are passed over, and so is what does not resolve: a sample may yet mend that,
    and whoever resolves the config says so otherwise.
    """
    for key, (holds, allowed) in RANGES.items():
        value = _value(config, key)
        if value is None:
            continue
        if key in ("data.mean", "data.std") and not _is_numbers(value):
            yield f"{key}: got {value!r}; it takes {allowed}."
            continue
        finite = not isinstance(value, float) or math.isfinite(value)
        if not (finite and holds(value)):
            yield f"{key}: got {value!r}; it takes {allowed}."
    yield from _check_lengths(config)


def _check_lengths(config: DictConfig) -> Iterator[str]:
    """Yields a message for each list that has not as many values as there are of what it is about."""
    channels, classes = _value(config, "data.channels"), _value(config, "learner.hparams.num_classes")
    weights = _value(config, "data.class_weights")
    if _is_numbers(weights) and classes is not None and len(weights) != classes:
        yield f"data.class_weights: got {len(weights)} values; it takes one for each of the {classes} classes."
    for key in ("data.mean", "data.std"):
        value = _value(config, key)
        if _is_numbers(value) and channels is not None and len(value) != channels:
            yield f"{key}: got {len(value)} values; it takes one for each of the {channels} channels."


def _value(config: DictConfig, key: str) -> Any:
    """Returns the value at a key, None where there is none yet."""
    try:
        value = OmegaConf.select(config, key, throw_on_missing=False)
        return OmegaConf.to_container(value, resolve=True) if isinstance(value, ListConfig) else value
    except OmegaConfBaseException:
        return None


def _is_size(value: Any) -> bool:
    """Whether a value is a number of images or a share of them."""
    return value >= 1 if isinstance(value, int) else 0 < value < 1


def _is_weights(value: Any) -> bool:
    return value == "balanced" or (_is_numbers(value) and all(math.isfinite(x) and x > 0 for x in value))


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(x, int | float) for x in value)
