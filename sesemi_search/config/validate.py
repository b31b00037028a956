"""The ranges of values that their types alone do not hold."""

import math
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.keys import is_numbers, known_keys
from sesemi_search.config.schema import SearchExperimentConfig

__all__ = ["check_values"]


def check_values(config: DictConfig) -> Iterator[str]:
    """Yields a message for each value outside its range.

    Keys that are absent, missing or null are passed over, and so is what does not resolve: a sample may yet mend that,
    and whoever resolves the config says so otherwise.
    """
    for name, known in known_keys(SearchExperimentConfig).items():
        if known.holds is None or (value := _value(config, name)) is None:
            continue
        finite = not isinstance(value, float) or math.isfinite(value)
        if not (finite and known.holds(value)):
            unset = " Is a variable of the shell unset?" if value == "" else ""
            yield f"{name}: got {value!r}; it takes {known.takes}.{unset}"
    yield from _check_lengths(config)


def _check_lengths(config: DictConfig) -> Iterator[str]:
    """Yields a message for each list that has not as many values as there are of what it is about."""
    channels, classes = _value(config, "data.channels"), _value(config, "learner.hparams.num_classes")
    weights = _value(config, "data.class_weights")
    if is_numbers(weights) and classes is not None and len(weights) != classes:
        yield f"data.class_weights: got {len(weights)} values; it takes one for each of the {classes} classes."
    for key in ("data.mean", "data.std"):
        value = _value(config, key)
        if is_numbers(value) and channels is not None and len(value) != channels:
            yield f"{key}: got {len(value)} values; it takes one for each of the {channels} channels."


def _value(config: DictConfig, key: str) -> Any:
    """Returns the value at a key, None where there is none yet."""
    try:
        value = OmegaConf.select(config, key, throw_on_missing=False)
        return OmegaConf.to_container(value, resolve=True) if isinstance(value, ListConfig) else value
    except OmegaConfBaseException:
        return None
