"""A search as its directory tells it, read only: no lock, no write, no code from its configs is run.

The directory may be a stranger's. Its interpolations get nothing from the environment while it is read here; whoever
resolves more of `StoredSearch.config` does so in `sealed_environment` as well.

The report, `track`, a dry run and a warm start read here. Whoever goes on with a search opens its `Ledger` instead.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import optuna
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from yaml import YAMLError

from sesemi_search.config.experiment import Written, to_typed, written_experiment, written_space
from sesemi_search.config.hydra_errors import explain
from sesemi_search.config.schema import SearchConfig, SearchExperimentConfig
from sesemi_search.errors import ConfigError
from sesemi_search.search.directory import JOURNAL, SEARCH_YAML, file_inside, holds_search, lock_holder
from sesemi_search.search.ledger.conversion import is_copy, to_record
from sesemi_search.search.ledger.journal import open_storage, show_journal
from sesemi_search.search.ledger.objectives import Objectives, parse_objectives
from sesemi_search.search.ledger.records import TrialRecord
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

__all__ = [
    "StoredSearch",
    "copy_study",
    "load_search_yaml",
    "open_to_show",
    "read_search",
    "sealed_environment",
]

_ENV = "oc.env"
# Blocks entered and not left; OmegaConf's resolvers belong to the process.
_entered = 0


@dataclass(frozen=True)
class StoredSearch:
    """What a search directory holds.

    Attributes:
        directory: The search directory.
        name: Name of the study, the group of its runs.
        config: The composed config, typed and unresolved.
        space: The space.
        experiment: The experiment as it is written.
        records: Every trial of this search; one that a dead driver left is `running`.
        copied: Trials of earlier searches that this one began with.
        objectives: What it optimizes.
        trials: The trials as Optuna has them, copied ones included.
        attributes: The study's user attributes.
        holder: Who was at work in the directory when it was read, `process 7 on HOST`; "" for nobody.
    """

    directory: Path
    name: str
    config: DictConfig
    space: Space
    experiment: Written
    records: list[TrialRecord]
    copied: list[TrialRecord]
    objectives: Objectives
    trials: list[FrozenTrial]
    attributes: Mapping[str, Any]
    holder: str

    @property
    def all_records(self) -> list[TrialRecord]:
        """Every trial that the sampler learns from, those of earlier searches first."""
        return [*self.copied, *self.records]


def read_search(directory: Path) -> StoredSearch:
    """Reads a search directory.

    Raises:
        ConfigError: It holds no search, or one that cannot be read.
    """
    config = load_search_yaml(directory)
    try:
        space = Space(parse_space(written_space(config)))
    except ConfigError as error:
        raise _in_search_yaml(directory, error) from error
    except (TypeError, AttributeError, RecursionError) as error:
        raise ConfigError("space", f"not a space ({error}).", file=directory / SEARCH_YAML) from error
    with sealed_environment():
        return _read_study(directory, config, space, written_experiment(config))


def _in_search_yaml(directory: Path, error: ConfigError) -> ConfigError:
    return ConfigError.of(*(replace(problem, file=str(directory / SEARCH_YAML)) for problem in error.problems))


def _read_study(directory: Path, config: DictConfig, space: Space, experiment: Written) -> StoredSearch:
    try:
        search: SearchConfig = to_typed(config.search)
        url, name = search.storage, search.study
        metrics: Any = OmegaConf.to_container(config.learner.metrics)
        objectives = parse_objectives(search, metrics)
    except ConfigError as error:
        raise _in_search_yaml(directory, error) from error
    holder = lock_holder(directory) or ""  # before the trials: of a driver that ends meanwhile none seems orphaned
    try:
        # With Optuna's own sampler and pruner: the search's are `_target_`s, and reading runs none of those.
        study = optuna.load_study(storage=_open_to_read(directory, url), study_name=name)
        trials = study.get_trials(deepcopy=False)
        copied = [to_record(trial) for trial in trials if is_copy(trial)]
        records = [to_record(trial) for trial in trials if not is_copy(trial)]
    except ConfigError:
        raise
    except Exception as error:  # Optuna's replay of a file of whoever's making fails in any way
        text = str(error).partition("\n")[0]
        raise ConfigError("", f"the ledger cannot be read ({type(error).__name__}: {text})", file=directory) from error
    return StoredSearch(
        directory,
        study.study_name,
        config,
        space,
        experiment,
        records,
        copied,
        objectives,
        trials,
        study.user_attrs,
        holder,
    )


def open_to_show(stored: StoredSearch) -> BaseStorage:
    """Returns the study of a search for what takes an Optuna storage: whatever is written to it is not kept.

    It follows a search that runs; one with a `search.storage` stays as it was when it was read.
    """
    if stored.config.search.storage is None:
        return show_journal(stored.directory)
    return copy_study(stored)._storage


def copy_study(stored: StoredSearch) -> optuna.Study:
    """Returns the study of a search, copied into memory: what is written to it is not written to the search."""
    study = optuna.create_study(study_name=stored.name, directions=stored.objectives.directions)
    for name, value in stored.attributes.items():
        study.set_user_attr(name, value)
    study.add_trials(stored.trials)
    return study


def load_search_yaml(directory: Path) -> DictConfig:
    """Returns the config that a search began with.

    Raises:
        ConfigError: There is none, or it is not one of ours.
    """
    if not holds_search(directory):
        raise ConfigError("", f"{directory} holds no search (it has no {SEARCH_YAML}).")
    path = directory / SEARCH_YAML
    file_inside(directory, path)
    try:
        config = OmegaConf.merge(OmegaConf.structured(SearchExperimentConfig), OmegaConf.load(path))
    except OmegaConfBaseException as error:
        raise ConfigError.of(replace(explain(error), file=str(path))) from error
    except (OSError, YAMLError, ValueError, RecursionError) as error:
        raise ConfigError("", f"{path} cannot be read: {error}") from error
    assert isinstance(config, DictConfig)
    if OmegaConf.is_missing(config, "space"):
        raise ConfigError(
            "", f"{path} has no space, the last of its keys: the file was cut, or is not ours. Put back a copy."
        )
    return config


@contextmanager
def sealed_environment() -> Iterator[None]:
    """Makes `${oc.env:...}` an error inside the block, however it is spelled.

    In a config that is run, `${oc.env:WANDB_API_KEY}` gives its author what their own program could read anyway. In one
    that is only read, it would put a reader's key into a message, a W&B run or the address of a database.

    Raises:
        ConfigError: Out of the block came an error of an interpolation, this one or another.
    """
    global _entered
    _entered += 1
    OmegaConf.register_new_resolver(_ENV, _refuse, replace=True)
    try:
        yield
    except OmegaConfBaseException as error:
        raise ConfigError.of(explain(error)) from error
    finally:
        _entered -= 1
        if not _entered:
            OmegaConf.register_new_resolver(_ENV, oc.env, replace=True)


def _refuse(name: str, *default: Any) -> NoReturn:  # noqa: ARG001
    raise ConfigError("", f"the environment variable {name} is not given to a search that is only read.")


def _open_to_read(directory: Path, url: str | None) -> BaseStorage:
    """Opens what `open_storage` opens without making anything: Optuna makes files and tables that it does not find.

    Raises:
        ConfigError: There is no such file.
    """
    if url is None:
        file_inside(directory, directory / JOURNAL)
        return open_storage(directory, None)
    _, _, file = url.partition("?")[0].partition(":///")
    if url.startswith("sqlite") and not Path(file).is_file():
        raise ConfigError("search.storage", f"there is no SQLite file {file!r}.")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.storages.RDBStorage(url, skip_table_creation=True)
