"""A search as its directory tells it, read only: no lock, no write, no code from its configs is run.

The report, `track`, a dry run and a warm start read here. Whoever goes on with a search opens its `Ledger` instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sesemi_search.config.errors import ConfigError
from sesemi_search.config.experiment import plain
from sesemi_search.config.explain import explain
from sesemi_search.config.schema import EXPERIMENT_KEYS, SearchExperimentConfig
from sesemi_search.search.directory import SEARCH_YAML, holds_search
from sesemi_search.search.ledger import open_storage, to_record
from sesemi_search.search.records import TrialRecord
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

__all__ = ["StoredSearch", "load_search_yaml", "read_search"]


@dataclass(frozen=True)
class StoredSearch:
    """What a search directory holds.

    Attributes:
        directory: The search directory.
        name: Name of the study, the group of its runs.
        config: The composed config, typed and unresolved.
        space: The space.
        experiment: The experiment's config, plain and unresolved.
        records: Every trial; one that a dead driver left is `running`.
        maximize: Whether a larger objective is better.
    """

    directory: Path
    name: str
    config: DictConfig
    space: Space
    experiment: Mapping[str, Any]
    records: list[TrialRecord]
    maximize: bool


def read_search(directory: Path) -> StoredSearch:
    """Reads a search directory.

    Raises:
        ConfigError: It holds no search, or one that cannot be read.
    """
    config = load_search_yaml(directory)
    content = plain(config)
    space = Space(parse_space(content["space"]))
    experiment = {key: content[key] for key in EXPERIMENT_KEYS}
    try:
        # With Optuna's own sampler and pruner: the search's are `_target_`s, and reading runs none of those.
        study = optuna.load_study(
            storage=open_storage(directory, config.search.storage), study_name=config.search.study
        )
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(f"{directory}: the ledger cannot be read ({type(error).__name__}: {error})") from error
    maximize = study.direction is optuna.study.StudyDirection.MAXIMIZE
    records = [to_record(trial) for trial in study.get_trials(deepcopy=False)]
    return StoredSearch(directory, study.study_name, config, space, experiment, records, maximize)


def load_search_yaml(directory: Path) -> DictConfig:
    """Returns the config that a search began with.

    Raises:
        ConfigError: There is none, or it is not one of ours.
    """
    if not holds_search(directory):
        raise ConfigError(f"{directory} holds no search (it has no {SEARCH_YAML}).")
    path = directory / SEARCH_YAML
    try:
        config = OmegaConf.merge(OmegaConf.structured(SearchExperimentConfig), OmegaConf.load(path))
    except OmegaConfBaseException as error:
        raise ConfigError(f"{path}: {explain(error)}") from error
    except (OSError, YAMLError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    assert isinstance(config, DictConfig)
    return config
