"""A search that can start: composed, checked, its data loaded, nothing begun and nothing written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.check.architecture import Architectures
from sesemi_search.check.preflight import check_space
from sesemi_search.config.compose import Composed
from sesemi_search.config.durations import parse_duration
from sesemi_search.config.errors import ConfigError, raise_problems, suggest
from sesemi_search.config.experiment import plain, resolve_experiment, to_typed
from sesemi_search.config.project import Project, project_path
from sesemi_search.config.schema import EXPERIMENT_KEYS, OPEN_NODES, ExperimentConfig, Mode, SearchExperimentConfig
from sesemi_search.data.normalization import fill_normalization
from sesemi_search.data.splits import check_labels, describe_classes, load_splits
from sesemi_search.data.stored import ImageSplit
from sesemi_search.search.beginning import Beginning, plan_beginning
from sesemi_search.search.ledger import build_pruner, build_sampler
from sesemi_search.space.overrides import override_space
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space
from sesemi_search.training.fit import METRICS

__all__ = ["Plan", "make_plan", "resolve_plain"]


@dataclass(frozen=True)
class Plan:
    """What a search needs to start.

    Attributes:
        config: The composed config, unresolved, the space as it will be searched.
        settings: The same, typed and resolved; its `space` is not to be used.
        space: The space.
        experiment: The experiment's config, plain and unresolved.
        project: The user's project.
        architectures: Models measured so far.
        data: The splits `train` and `val`.
        beginning: What the search begins with; None of one that goes on.
    """

    config: DictConfig
    settings: SearchExperimentConfig
    space: Space
    experiment: Mapping[str, Any]
    project: Project | None
    architectures: Architectures
    data: Mapping[str, ImageSplit]
    beginning: Beginning | None = None


def make_plan(composed: Composed, say: Callable[[str], None], resume: bool = False) -> Plan:
    """Checks a composed search and loads its data.

    Args:
        composed: The composed config.
        say: Prints a line for the user.
        resume: The search goes on; what it began with is in its ledger.

    Raises:
        ConfigError: With all that is wrong.
    """
    if composed.project is not None:
        composed.project.activate()
    config = composed.config
    config.run.data_root = str(project_path(composed.project, config.run.data_root))
    raw = override_space(plain(config).pop("space"), composed.space_overrides)
    space = Space(parse_space(raw))
    config.space = raw
    experiment = {key: value for key, value in plain(config).items() if key in EXPERIMENT_KEYS}
    config.search.warm_start = [str(Path(each).expanduser().absolute()) for each in config.search.warm_start]
    settings = _settings(config)
    architectures = Architectures()
    problems = _check_search(settings)
    try:
        checked = check_space(space, experiment, architectures)
    except ConfigError as error:
        problems.append(str(error))
    raise_problems(problems)
    for note in checked.notes:
        say(note)
    branches = f"{checked.branches} branch{'es' if checked.branches > 1 else ''}"
    some = "" if checked.visited == checked.branches else f" ({checked.visited} of them, at random)"
    say(f"pre-flight: {branches} of {len(space.dimensions)} dimensions built and run on one batch{some}")
    beginning = None if resume else plan_beginning(settings.search, space, experiment, say)
    data = _load_data(settings, say)
    if None in (settings.data.mean, settings.data.std):
        filled = fill_normalization(settings.data, data["train"], say)
        # Into the configs of the trials, so that each can be run again, and its model used, without these images.
        for data_config in (config.data, experiment["data"]):
            data_config["mean"], data_config["std"] = filled.mean, filled.std
    return Plan(config, settings, space, experiment, composed.project, architectures, data, beginning)


def resolve_plain(container: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an experiment's config with its interpolations resolved, as plain containers."""
    return plain(resolve_experiment(container))


def _settings(config: DictConfig) -> SearchExperimentConfig:
    """Types everything but the space, which has a language of its own, and what the space is yet to supply."""
    without_space = config.copy()
    without_space.space = None
    for key in OPEN_NODES:
        if key.startswith("learner.") and not _is_complete(without_space, key):
            OmegaConf.update(without_space, key, None)
    settings: SearchExperimentConfig = to_typed(without_space)
    return settings


def _is_complete(config: DictConfig, key: str) -> bool:
    """Whether a node is there, and all that it refers to."""
    try:
        node = OmegaConf.select(config, key, throw_on_missing=True)
        if OmegaConf.is_config(node):
            OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException:
        return False
    return True


def _check_search(settings: SearchExperimentConfig) -> list[str]:
    """Returns what is wrong with `search.*`."""
    search, problems = settings.search, []
    problems += [
        f"run.{key}: got {getattr(settings.run, key)!r}; the trials of a search begin from their seed. It is for train."
        for key in ("resume_from_checkpoint", "pretrained_checkpoint_path")
        if getattr(settings.run, key) is not None
    ]
    if search.metric not in METRICS:
        problems.append(
            f"search.metric: got {search.metric!r}, which no trial reports; it takes one of {', '.join(METRICS)}."
            f"{suggest(search.metric, METRICS)}"
        )
    elif search.mode is Mode.max and search.metric.endswith(("/loss", "_seconds")):
        problems.append(f"search.mode: got 'max' for {search.metric}, of which less is better; set search.mode=min.")
    if search.time_budget is not None:
        try:
            parse_duration(search.time_budget, "search.time_budget")
        except ConfigError as error:
            problems.append(str(error))
    for build in (lambda: build_sampler(search.sampler, search.seed, 0), lambda: build_pruner(search.pruner)):
        try:
            build()
        except ConfigError as error:
            problems.append(str(error))
    return problems


def _load_data(settings: ExperimentConfig, say: Callable[[str], None]) -> dict[str, ImageSplit]:
    """Loads what a search sees. The test split stays closed."""
    run = settings.run
    data = load_splits(settings.data, Path(run.data_root), ("train", "val"), run.memory_share, say)
    for split in data.values():
        check_labels(split, settings.learner.hparams.num_classes)
    if (note := describe_classes(data["train"].labels, settings.learner.hparams.num_classes)) is not None:
        say(note)
    return data
