"""Composed configs as what the program works with: typed, resolved, plain, or text."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.hydra_errors import explain
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.errors import ConfigError

__all__ = ["load_experiment", "plain", "resolve_experiment", "to_typed", "to_yaml"]


def plain(config: Mapping[str, Any] | DictConfig) -> dict[str, Any]:
    """Returns a config as plain containers, interpolations unresolved and enums by name."""
    node = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
    container: dict[str, Any] = OmegaConf.to_container(node, resolve=False, enum_to_str=True)  # type: ignore[assignment]
    return container


def to_typed(config: DictConfig) -> Any:
    """Resolves a config and returns it as the dataclasses of the schema, open nodes as plain containers.

    Raises:
        ConfigError: An interpolation that leads nowhere, a value of the wrong type, a missing value.
    """
    try:
        return OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError.of(explain(error)) from error


def to_yaml(content: Mapping[str, Any], *comments: str) -> str:
    """Returns plain containers as YAML below comment lines."""
    head = "".join(f"# {line}\n" for line in comments)
    # OmegaConf's dumper, not PyYAML's: it quotes the strings that OmegaConf would read back as numbers ("1e-3").
    return head + OmegaConf.to_yaml(OmegaConf.create(dict(content)))


def resolve_experiment(container: Mapping[str, Any] | DictConfig) -> DictConfig:
    """Returns an experiment (run, data, learner) typed, closed and with interpolations resolved.

    Raises:
        ConfigError: A key that the schema does not know, a value of the wrong type, an interpolation to nowhere.
    """
    try:
        config = OmegaConf.merge(_schema(), container)
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
    """The schema as a config, which takes as long to make as all else here; merging copies it."""
    config: DictConfig = OmegaConf.structured(ExperimentConfig)
    return config


def _with_key(config: Any, error: OmegaConfBaseException) -> OmegaConfBaseException:
    """Returns the same error with the key that it is at: `OmegaConf.resolve` does not say, `to_container` does."""
    try:
        OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as keyed:
        return keyed
    return error


def load_experiment(path: Path) -> ExperimentConfig:
    """Returns the experiment of a YAML file that holds all of one, typed and resolved."""
    loaded = OmegaConf.load(path)
    assert isinstance(loaded, DictConfig)
    typed: ExperimentConfig = to_typed(resolve_experiment(loaded))
    return typed
