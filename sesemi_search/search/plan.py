"""A search that can start: composed, checked, its data loaded, nothing begun and nothing written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.check.architecture import Architectures
from sesemi_search.check.limits import check_any_within
from sesemi_search.check.paths import check_tree
from sesemi_search.check.preflight import check_space
from sesemi_search.config.compose import Composed
from sesemi_search.config.durations import parse_duration
from sesemi_search.config.errors import ConfigError, raise_problems
from sesemi_search.config.experiment import plain, resolve_experiment, to_typed
from sesemi_search.config.project import Project, project_path
from sesemi_search.config.schema import EXPERIMENT_KEYS, OPEN_NODES, ExperimentConfig, SearchExperimentConfig
from sesemi_search.data.labelled import LabelledImages
from sesemi_search.data.splits import check_labels, load_splits
from sesemi_search.search.beginning import Beginning, plan_beginning
from sesemi_search.search.ledger import build_pruner, build_sampler
from sesemi_search.search.objectives import Objectives, parse_objectives
from sesemi_search.search.serving import check_serves
from sesemi_search.space.overrides import override_space
from sesemi_search.space.parse import scan_space
from sesemi_search.space.space import Space

__all__ = ["Plan", "make_plan", "resolve_plain"]


@dataclass(frozen=True)
class Plan:
    """What a search needs to start.

    Attributes:
        config: The composed config, unresolved, the space as it will be searched.
        settings: The same, typed and resolved; its `space` is not to be used.
        objectives: What the search optimizes.
        space: The space.
        experiment: The experiment's config, plain and unresolved.
        project: The user's project.
        architectures: Models measured so far.
        data: The splits `train` and `val`.
        beginning: What the search begins with; None of one that goes on.
    """

    config: DictConfig
    settings: SearchExperimentConfig
    objectives: Objectives
    space: Space
    experiment: Mapping[str, Any]
    project: Project | None
    architectures: Architectures
    data: Mapping[str, LabelledImages]
    beginning: Beginning | None = None


def make_plan(composed: Composed, say: Callable[[str], None], resume: bool = False) -> Plan:
    """Checks a composed search and loads its data.

    Args:
        composed: The composed config.
        say: Prints a line for the user.
        resume: The search goes on; what it began with is in its ledger.

    Raises:
        ConfigError: With all that is wrong, and where it is written.
    """
    with composed.addresses.added():
        return _make_plan(composed, say, resume)


def _make_plan(composed: Composed, say: Callable[[str], None], resume: bool) -> Plan:
    if composed.project is not None:
        composed.project.activate()
    config = composed.config
    config.run.data_root = str(project_path(composed.project, config.run.data_root))
    raw = override_space(plain(config).pop("space"), composed.space_overrides)
    tree, problems = scan_space(raw)
    space = Space(tree)
    config.space = raw
    experiment = {key: value for key, value in plain(config).items() if key in EXPERIMENT_KEYS}
    config.search.warm_start = [str(Path(each).expanduser().absolute()) for each in config.search.warm_start]
    settings = _settings(config)
    architectures = Architectures()
    if problems:
        raise_problems([*problems, *check_tree(tree, experiment), *_check_search(settings)])
    metric = settings.search.metric
    num_objectives = len(metric) if isinstance(metric, list) else 1
    serving = check_serves(settings.search.sampler, settings.search.pruner, space, num_objectives)
    problems = [*_check_search(settings), *serving.problems]
    try:
        checked = check_space(space, experiment, architectures)
        check_any_within(architectures.measured, settings.search.constraints)
    except ConfigError as error:
        problems += error.problems
    raise_problems(problems)
    for note in [*serving.notes, *checked.notes]:
        say(note)
    branches = f"{checked.branches} branch{'es' if checked.branches > 1 else ''}"
    some = "" if checked.visited == checked.branches else f" ({checked.visited} of them, at random)"
    say(f"pre-flight: {branches} of {len(space.dimensions)} dimensions built and run on one batch{some}")
    objectives = parse_objectives(settings.search)
    beginning = None if resume else plan_beginning(settings.search, objectives, space, experiment, say)
    data = _load_data(settings)
    return Plan(config, settings, objectives, space, experiment, composed.project, architectures, data, beginning)


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
    if search.time_budget is not None:
        try:
            parse_duration(search.time_budget, "search.time_budget")
        except ConfigError as error:
            problems.append(str(error))
    for build in (
        lambda: parse_objectives(search),
        lambda: build_sampler(search.sampler, search.seed, 0),
        lambda: build_pruner(search.pruner),
    ):
        try:
            build()
        except ConfigError as error:
            problems.append(str(error))
    return problems


def _load_data(settings: ExperimentConfig) -> dict[str, LabelledImages]:
    """Loads what a search sees. The test split stays closed."""
    data = load_splits(settings.data, Path(settings.run.data_root), ("train", "val"))
    for split in data.values():
        check_labels(split, settings.learner.hparams.num_classes)
    return data
