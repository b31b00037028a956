"""The states of an experiment's config, and the way from each to the next.

What files and a command line say is `Written`. `Space.apply` puts a sample of a space in: `Sampled`. `resolve` follows
the interpolations and holds the result against the schema. `models.expected_input.follow_backbone` fills in what is
left open: `Complete`. Stored, it has its interpolations of other keys again and is `Written` (`config.interpolations`).
All are plain containers, with enums by name: YAML and JSON take them as they are.
"""

import copy
import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NewType, get_type_hints

import yaml
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.hydra_errors import explain
from sesemi_search.config.keys import is_numbers, known_keys
from sesemi_search.config.schema import EXPERIMENT_KEYS, ExperimentConfig, SearchExperimentConfig
from sesemi_search.config.yaml_text import dump_yaml, yaml_loader
from sesemi_search.errors import ConfigError, Problem, raise_problems

__all__ = [
    "Complete",
    "Sampled",
    "Written",
    "check_values",
    "load_experiment",
    "plain",
    "resolve",
    "to_typed",
    "to_yaml",
    "type_experiment",
    "written_experiment",
    "written_space",
]

# An experiment (run, data, learner) as it is written: interpolations unresolved, some values open or missing.
Written = NewType("Written", dict[str, Any])
# The same with a sample of a space in it, still unresolved.
Sampled = NewType("Sampled", dict[str, Any])
# Resolved, with nothing left open but a mean and a standard deviation while there are no images to measure.
Complete = NewType("Complete", dict[str, Any])


def written_experiment(config: DictConfig) -> Written:
    """Returns the experiment of a composed config."""
    return Written({key: value for key, value in plain(config).items() if key in EXPERIMENT_KEYS})


def written_space(config: DictConfig) -> Any:
    """Returns the space of a composed config: plain containers, interpolations unresolved."""
    return plain(config)["space"]


def resolve(experiment: Written | Sampled, **data: Any) -> dict[str, Any]:
    """Returns an experiment resolved; what it leaves open is null.

    Args:
        experiment: The experiment, with or without a sample in it.
        data: Values for keys of its data section; what refers to these keys has them too.

    Raises:
        ConfigError: A key that the schema does not know, a value of the wrong type or outside its range, an
            interpolation to nowhere.
    """
    config = _merge_into_schema({**experiment, "data": {**experiment["data"], **data}} if data else experiment)
    raise_problems(list(check_values(config)))
    return plain(config)


def type_experiment(experiment: Complete) -> ExperimentConfig:
    """Returns an experiment as the dataclasses of the schema, open nodes as plain containers.

    Raises:
        ConfigError: A missing value.
    """
    try:
        typed: ExperimentConfig = _build(ExperimentConfig, experiment)
    except _MissingValueError:
        typed = to_typed(_merge_into_schema(experiment))  # which says what is missing
    return typed


class _MissingValueError(ValueError):
    """A value is missing."""


def _build(kind: Any, value: Any) -> Any:
    """Returns a value that has been held against the schema as an instance of its type there."""
    if value == MISSING:
        raise _MissingValueError
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        types = _types(kind)
        return kind(**{name: _build(types[name], child) for name, child in value.items()})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[value]
    return copy.deepcopy(value)


_types = functools.cache(get_type_hints)


def load_experiment(path: Path) -> Complete:
    """Returns the experiment of a YAML file that holds all of one."""
    return Complete(plain(_merge_into_schema(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml_loader()))))


def plain(config: Mapping[str, Any] | DictConfig) -> dict[str, Any]:
    """Returns a config as plain containers, interpolations unresolved and enums by name."""
    container: dict[str, Any] = OmegaConf.to_container(_node(config), resolve=False, enum_to_str=True)  # type: ignore[assignment]
    return container


def _node(config: Mapping[str, Any] | DictConfig) -> DictConfig:
    return config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))


def to_typed(config: DictConfig) -> Any:
    """Resolves a config and returns it as the dataclasses of the schema, open nodes as plain containers.

    Raises:
        ConfigError: An interpolation that leads nowhere, a value of the wrong type, a missing value.
    """
    try:
        return OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError.of(explain(error)) from error


def to_yaml(config: Mapping[str, Any] | DictConfig, *comments: str) -> str:
    """Returns a config, unresolved, as YAML below comment lines."""
    head = "".join(f"# {line}\n" for line in comments)
    return head + dump_yaml(plain(config) if isinstance(config, DictConfig) else config)


def check_values(config: DictConfig) -> Iterator[Problem]:
    """Yields a problem for each value outside its range.

    Keys that are absent, missing or null are passed over, and so is what does not resolve: a sample may yet mend that,
    and whoever resolves the config says so otherwise.
    """
    for name, known in known_keys(SearchExperimentConfig).items():
        if known.holds is None or (value := _value(config, name)) is None:
            continue
        finite = not isinstance(value, float) or math.isfinite(value)
        if not (finite and known.holds(value)):
            unset = " Is a variable of the shell unset?" if value == "" else ""
            yield Problem(name, f"got {value!r}; it takes {known.takes}.{unset}")
    yield from _check_lengths(config)


def _check_lengths(config: DictConfig) -> Iterator[Problem]:
    """Yields a problem for each list that has not as many values as there are of what it is about."""
    channels, classes = _value(config, "data.channels"), _value(config, "learner.hparams.num_classes")
    weights = _value(config, "data.class_weights")
    if is_numbers(weights) and classes is not None and len(weights) != classes:
        yield Problem(
            "data.class_weights", f"got {len(weights)} values; it takes one for each of the {classes} classes."
        )
    for key in ("data.mean", "data.std"):
        value = _value(config, key)
        if is_numbers(value) and channels is not None and len(value) != channels:
            yield Problem(key, f"got {len(value)} values; it takes one for each of the {channels} channels.")


def _value(config: DictConfig, key: str) -> Any:
    """Returns the value at a key, None where there is none yet."""
    try:
        value = OmegaConf.select(config, key, throw_on_missing=False)
        return OmegaConf.to_container(value, resolve=True) if isinstance(value, ListConfig) else value
    except OmegaConfBaseException:
        return None


def _merge_into_schema(experiment: Mapping[str, Any]) -> DictConfig:
    """Returns an experiment, plain containers, typed, closed and resolved."""
    try:
        # Unsafe is what takes nodes of the second config over, which is made here.
        config = OmegaConf.unsafe_merge(copy.deepcopy(_schema()), experiment)
    except OmegaConfBaseException as error:
        raise ConfigError.of(explain(error)) from error
    try:
        OmegaConf.resolve(config)
    except OmegaConfBaseException as error:
        raise ConfigError.of(explain(_with_key(config, error))) from error
    assert isinstance(config, DictConfig)
    return config


@functools.cache
def _schema() -> DictConfig:
    """The schema as a config, which takes as long to make as all else here."""
    config: DictConfig = OmegaConf.structured(ExperimentConfig)
    return config


def _with_key(config: Any, error: OmegaConfBaseException) -> OmegaConfBaseException:
    """Returns the same error with the key that it is at: `OmegaConf.resolve` does not say, `to_container` does."""
    try:
        OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as keyed:
        return keyed
    return error
