"""A composed search with its space read, and all that is checked of it before its data is loaded."""

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.compose import Composed
from sesemi_search.config.experiment import Written, to_typed, written_experiment, written_space
from sesemi_search.config.schema import OPEN_NODES, SearchExperimentConfig
from sesemi_search.console import show_progress
from sesemi_search.data.classes import follow_classes
from sesemi_search.errors import ConfigError, Problem, raise_problems
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import Checked, check_space
from sesemi_search.preflight.constraints import describe_limits
from sesemi_search.preflight.space_paths import check_tree
from sesemi_search.project.project import activate, project_path
from sesemi_search.search.ledger.objectives import objective_names, parse_objectives
from sesemi_search.search.objective_settings import settle_objectives
from sesemi_search.search.pruners import build_pruner
from sesemi_search.search.samplers.build import build_sampler
from sesemi_search.search.samplers.capabilities import Serving, check_serves
from sesemi_search.search.stopping import parse_duration
from sesemi_search.search.trial_config import common_image_size
from sesemi_search.space.overrides import override_space
from sesemi_search.space.parse import scan_space
from sesemi_search.space.space import Space

__all__ = ["BadBranches", "Prepared", "check_prepared", "prepare"]


class BadBranches(Enum):
    """What becomes of the branches that cannot work.

    With `refuse` one is an error. With `leave_out` the others are searched, and it is an error if there is none. With
    `show` none is an error.
    """

    refuse = "refuse"
    leave_out = "leave_out"
    show = "show"


@dataclass(frozen=True)
class Prepared:
    """A composed search with its space read, nothing checked; attributes as of `Plan`."""

    config: DictConfig
    settings: SearchExperimentConfig
    space: Space
    experiment: Written


def prepare(composed: Composed) -> Prepared:
    """Reads the space of a composed search, and makes its project's modules importable.

    Raises:
        ConfigError: The space cannot be read; with all else that is wrong.
    """
    activate(composed.project)
    config = composed.config
    data_root = project_path(composed.project, config.run.data_root)
    config.run.data_root = str(data_root)
    follow_classes(config, data_root)
    settle_objectives(config)
    raw = override_space(written_space(config), composed.space_overrides)
    tree, problems = scan_space(raw)
    config.space = raw
    experiment = written_experiment(config)
    config.search.warm_start = [str(Path(each).expanduser().absolute()) for each in config.search.warm_start]
    settings = _settings(config)
    if problems:
        raise_problems([*problems, *check_tree(tree, experiment), *_check_search(settings)])
    return Prepared(config, settings, Space(tree), experiment)


def check_prepared(prepared: Prepared, architectures: Architectures, bad_branches: BadBranches) -> Checked:
    """Visits every branch of a prepared search, and holds its settings, its sampler and its limits against its space.

    Args:
        prepared: The search; an image size that it leaves open is set.
        architectures: Measures its models.
        bad_branches: What becomes of the branches that cannot work.

    Raises:
        ConfigError: With all that is wrong.
    """
    serving = _check_sampler(prepared)
    problems = [*_check_search(prepared.settings), *serving.problems]
    try:
        with show_progress() as show:
            checked = check_space(
                prepared.space,
                prepared.experiment,
                architectures,
                tell=lambda done, of: show(f"checking branches {done + 1} of {of}", done / of),
            )
        if bad_branches is BadBranches.refuse:
            problems += checked.describe_problems()
        elif bad_branches is BadBranches.leave_out:
            checked.exclude_bad()
        _settle_image_size(prepared, checked)
        limits = describe_limits(checked, prepared.settings.search.constraints)
        is_visited_whole = len(checked.branches) == checked.num_branches
        if is_visited_whole and all(branch.low.params == branch.high.params for branch in checked.branches):
            problems += limits  # there is no other model
    except ConfigError as error:
        problems += error.problems
    raise_problems(problems)
    return replace(checked, notes=[*serving.notes, *checked.notes, *map(str, limits)])


def _settle_image_size(prepared: Prepared, checked: Checked) -> None:
    """Puts the size that the backbones are made for where the config leaves it open.

    Raises:
        ConfigError: They are made for different sizes.
    """
    data = prepared.settings.data
    if data.image_size is None:
        data.image_size = common_image_size(checked)
        prepared.config.data.image_size = prepared.experiment["data"]["image_size"] = data.image_size


def _settings(config: DictConfig) -> SearchExperimentConfig:
    """Types everything but the space, which has a language of its own, and what the space is yet to supply."""
    without_space = config.copy()
    without_space.space = None
    for key in OPEN_NODES:
        if key.startswith("learner.hparams.") and not _is_complete(without_space, key):
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


def _check_search(settings: SearchExperimentConfig) -> list[Problem]:
    """Returns what is wrong with `search.*`."""
    search = settings.search
    problems = [
        Problem(
            f"run.{key}",
            f"got {getattr(settings.run, key)!r}; the trials of a search begin from their seed. It is for train.",
        )
        for key in ("resume_from_checkpoint", "pretrained_checkpoint_path")
        if getattr(settings.run, key) is not None
    ]
    if settings.run.profile:
        problems.append(Problem("run.profile", "got True; the trials of a search are not profiled. It is for train."))
    for name in ("time_budget", "epoch_timeout", "stop_grace"):
        try:
            if (duration := getattr(search, name)) is not None:
                parse_duration(duration, f"search.{name}")
        except ConfigError as error:
            problems += error.problems
    for build in (
        lambda: parse_objectives(search, settings.learner.metrics),
        lambda: build_sampler(search.sampler, search.seed, 0),
    ):
        try:
            build()
        except ConfigError as error:
            problems += error.problems
    return problems


def _check_sampler(prepared: Prepared) -> Serving:
    """Holds the sampler, and what a pruner names of the space, against the space and the number of objectives."""
    search = prepared.settings.search
    serving = check_serves(search.sampler, search.pruner, prepared.space, len(objective_names(search)))
    try:
        build_pruner(search.pruner, prepared.space)
    except ConfigError as error:
        serving.problems.extend(error.problems)
    return serving
