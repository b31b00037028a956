"""A search that can start: composed, checked, its data loaded, nothing begun and nothing written."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.compose import Composed
from sesemi_search.config.durations import parse_duration
from sesemi_search.config.experiment import plain, to_typed
from sesemi_search.config.schema import EXPERIMENT_KEYS, OPEN_NODES, ExperimentConfig, SearchExperimentConfig
from sesemi_search.config.source_lines import Addresses
from sesemi_search.data.splits import check_labels, describe_classes, load_splits
from sesemi_search.data.stored import ImageSplit
from sesemi_search.errors import ConfigError, raise_problems
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import Checked, check_space
from sesemi_search.preflight.constraints import check_any_within
from sesemi_search.preflight.excluded_branches import Excluded
from sesemi_search.preflight.pretrained import load_pretrained
from sesemi_search.preflight.space_paths import check_tree
from sesemi_search.project.project import Project, activate, project_path
from sesemi_search.search.initial.initial_trials import Beginning, plan_beginning
from sesemi_search.search.ledger.objectives import Objectives, parse_objectives
from sesemi_search.search.pruners.build import build_pruner
from sesemi_search.search.samplers.build import build_sampler
from sesemi_search.search.samplers.capabilities import Serving, check_serves
from sesemi_search.search.trial_config import Resolver, common_image_size, make_resolver
from sesemi_search.space.overrides import override_space
from sesemi_search.space.parse import scan_space
from sesemi_search.space.space import Space

__all__ = [
    "Plan",
    "Prepared",
    "check_sampler",
    "check_search",
    "load_data",
    "make_plan",
    "prepare",
    "settle_image_size",
]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What a search needs to start.

    Attributes:
        config: The composed config, unresolved, the space as it will be searched.
        settings: The same, typed and resolved; its `space` is not to be used.
        objectives: What the search optimizes.
        space: The space.
        experiment: The experiment's config, plain and unresolved.
        resolve: Turns a trial's unresolved config into a resolved, plain one with nothing left open.
        project: The user's project.
        architectures: Models measured so far.
        data: The splits `train` and `val`.
        excluded: Branches that are left out.
        beginning: What the search begins with; None of one that goes on.
    """

    config: DictConfig
    settings: SearchExperimentConfig
    objectives: Objectives
    space: Space
    experiment: Mapping[str, Any]
    resolve: Resolver
    project: Project | None
    architectures: Architectures
    data: Mapping[str, ImageSplit]
    excluded: Excluded
    beginning: Beginning | None = None


@dataclass(frozen=True)
class Prepared:
    """A composed search with its space read, nothing checked; attributes as of `Plan`."""

    config: DictConfig
    settings: SearchExperimentConfig
    space: Space
    experiment: Mapping[str, Any]


def prepare(composed: Composed) -> Prepared:
    """Reads the space of a composed search, and makes its project's modules importable.

    Raises:
        ConfigError: The space cannot be read; with all else that is wrong.
    """
    activate(composed.project)
    config = composed.config
    config.run.data_root = str(project_path(composed.project, config.run.data_root))
    raw = override_space(plain(config).pop("space"), composed.space_overrides)
    tree, problems = scan_space(raw)
    config.space = raw
    experiment = {key: value for key, value in plain(config).items() if key in EXPERIMENT_KEYS}
    config.search.warm_start = [str(Path(each).expanduser().absolute()) for each in config.search.warm_start]
    settings = _settings(config)
    if problems:
        raise_problems([*problems, *check_tree(tree, experiment), *check_search(settings)])
    return Prepared(config, settings, Space(tree), experiment)


def make_plan(composed: Composed, resume: bool = False) -> Plan:
    """Checks a composed search and loads its data.

    Args:
        composed: The composed config.
        resume: The search goes on; what it began with is in its ledger.

    Raises:
        ConfigError: With all that is wrong, and where it is written.
    """
    with composed.addresses.added():
        return _make_plan(composed, resume)


def _make_plan(composed: Composed, resume: bool) -> Plan:
    prepared = prepare(composed)
    settings, space, experiment = prepared.settings, prepared.space, prepared.experiment
    architectures, excluded = Architectures(), Excluded()
    serving = check_sampler(prepared)
    problems = [*check_search(settings), *serving.problems]
    try:
        checked = check_space(space, experiment, architectures)
        if settings.search.skip_bad_branches:
            excluded = checked.exclude_bad()
        else:
            problems += checked.describe_problems()
        settle_image_size(prepared, checked)
        check_any_within(checked, experiment, architectures, settings.search.constraints)
    except ConfigError as error:
        problems += error.problems
    raise_problems(problems)
    for note in serving.notes:
        logger.info(note)
    _say_checked(checked, composed.addresses)
    objectives = parse_objectives(settings.search)
    beginning = None if resume else plan_beginning(settings.search, objectives, space, experiment)
    load_pretrained(checked.branches)
    data = load_data(settings)
    resolve = make_resolver(settings.data, checked, data["train"])
    project = composed.project
    return Plan(
        prepared.config,
        settings,
        objectives,
        space,
        experiment,
        resolve,
        project,
        architectures,
        data,
        excluded,
        beginning,
    )


def settle_image_size(prepared: Prepared, checked: Checked) -> None:
    """Puts the size that the backbones are made for where the config leaves it open.

    Raises:
        ConfigError: They are made for different sizes.
    """
    data = prepared.settings.data
    if data.image_size is None:
        data.image_size = common_image_size(checked)
        prepared.config.data.image_size = prepared.experiment["data"]["image_size"] = data.image_size


def _say_checked(checked: Checked, addresses: Addresses) -> None:
    for note in checked.notes:
        logger.info(note)
    branches = f"{checked.num_branches} branch{'es' if checked.num_branches > 1 else ''}"
    visited, bad = len(checked.branches), checked.bad
    some = "" if visited == checked.num_branches else f" ({visited} of them, at random)"
    logger.info(
        f"pre-flight: {branches} of {len(checked.space.dimensions)} dimensions built and run on one batch{some}"
    )
    if bad:
        logger.info(f"{len(bad)} of {visited} branches are left out (search.skip_bad_branches):")
        for problem in checked.describe_bad():
            logger.info(f"- {addresses.add(problem)}")


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


def check_search(settings: SearchExperimentConfig) -> list[str]:
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
    ):
        try:
            build()
        except ConfigError as error:
            problems.append(str(error))
    return problems


def check_sampler(prepared: Prepared) -> Serving:
    """Holds the sampler, and what a pruner names of the space, against the space and the number of objectives."""
    search = prepared.settings.search
    num_objectives = len(search.metric) if isinstance(search.metric, list) else 1
    serving = check_serves(search.sampler, search.pruner, prepared.space, num_objectives)
    try:
        build_pruner(search.pruner, prepared.space)
    except ConfigError as error:
        serving.problems.append(str(error))
    return serving


def load_data(settings: ExperimentConfig) -> dict[str, ImageSplit]:
    """Loads what a search sees. The test split stays closed."""
    run = settings.run
    data = load_splits(settings.data, Path(run.data_root), ("train", "val"), run.memory_share)
    for split in data.values():
        check_labels(split, settings.learner.hparams.num_classes)
    if (note := describe_classes(data["train"].labels, settings.learner.hparams.num_classes)) is not None:
        logger.info(note)
    return data
