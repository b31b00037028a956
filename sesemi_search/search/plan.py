"""A search that can start: composed, checked, its data loaded, nothing begun and nothing written."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from sesemi_search.config.compose import Composed
from sesemi_search.config.experiment import Written
from sesemi_search.config.schema import ExperimentConfig, SearchExperimentConfig
from sesemi_search.config.source_lines import SourceLines
from sesemi_search.data.classes import check_classes
from sesemi_search.data.splits import check_labels, describe_balance, describe_classes, load_splits
from sesemi_search.data.stored import ImageSplit
from sesemi_search.errors import Problem, raise_problems
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import Checked
from sesemi_search.preflight.excluded_branches import Excluded
from sesemi_search.preflight.pretrained import load_pretrained
from sesemi_search.preflight.schedule import Schedules
from sesemi_search.project.project import Project
from sesemi_search.search.initial.initial_trials import InitialTrials, plan_initial_trials
from sesemi_search.search.ledger.objectives import Objectives, parse_objectives
from sesemi_search.search.phase import Phase
from sesemi_search.search.preparation import BadBranches, check_prepared, prepare
from sesemi_search.search.trial_config import Resolver, make_resolver
from sesemi_search.space.space import Space
from sesemi_search.training.evaluation import describe_absent

__all__ = ["Plan", "check_schedules", "describe_uneven", "load_data", "make_plan"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What a search needs to start.

    Attributes:
        config: The composed config, unresolved, the space as it will be searched.
        settings: The same, typed and resolved; its `space` is not to be used.
        objectives: What the search optimizes.
        space: The space.
        experiment: The experiment as it is written.
        resolve: Resolves a trial's config and fills in all that it leaves open.
        project: The user's project.
        architectures: Models measured so far.
        data: The splits `train` and `val`; in a final training `train` alone, with the images of both.
        excluded: Branches that are left out.
        initial_trials: What the search begins with; None of one that goes on.
        phase: The phase of a final run that this is; None of a search.
    """

    config: DictConfig
    settings: SearchExperimentConfig
    objectives: Objectives
    space: Space
    experiment: Written
    resolve: Resolver
    project: Project | None
    architectures: Architectures
    data: Mapping[str, ImageSplit]
    excluded: Excluded
    initial_trials: InitialTrials | None = None
    phase: Phase | None = None

    def resume_command(self, directory: Path) -> str:
        """Returns what a user types to go on with the search in a directory."""
        return self.phase.command if self.phase else f"sesemi-search resume {shlex.quote(str(directory))}"


def make_plan(composed: Composed, resume: bool = False) -> Plan:
    """Checks a composed search and loads its data.

    Args:
        composed: The composed config.
        resume: The search goes on; what it began with is in its ledger.

    Raises:
        ConfigError: With all that is wrong, and where it is written.
    """
    with composed.source_lines.added():
        return _make_plan(composed, resume)


def _make_plan(composed: Composed, resume: bool) -> Plan:
    prepared = prepare(composed)
    settings, space, experiment = prepared.settings, prepared.space, prepared.experiment
    if not resume:  # one that goes on has trials with the classes that it began with
        check_classes(settings)
    architectures, skips = Architectures(), settings.search.skip_bad_branches
    checked = check_prepared(prepared, architectures, BadBranches.leave_out if skips else BadBranches.refuse)
    _say_checked(checked, composed.source_lines)
    objectives = parse_objectives(settings.search, settings.learner.metrics)
    initial_trials = None if resume else plan_initial_trials(settings.search, objectives, space, experiment)
    load_pretrained(checked)
    data = load_data(settings)
    if (note := describe_uneven(objectives, data["train"])) is not None:
        logger.info(note)
    for remark in check_schedules(checked, len(data["train"])):
        logger.info(str(composed.source_lines.add(remark)))
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
        checked.exclude_bad() if skips else Excluded(),
        initial_trials,
    )


def describe_uneven(objectives: Objectives, train: ImageSplit) -> str | None:
    """Returns a line for the user where top1 judges, and says little of a class that is small beside another."""
    uneven = describe_balance(train.labels)
    if uneven is None or not any("top1" in each.name for each in objectives.each):
        return None
    return (
        f"{uneven}: top1 says little of the small one; "
        "search.metric=val/balanced_accuracy or val/macro_f1 counts every class the same"
    )


def _say_checked(checked: Checked, source_lines: SourceLines) -> None:
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
            logger.info(f"- {source_lines.add(problem)}")


def check_schedules(checked: Checked, num_images: int) -> list[Problem]:
    """Returns remarks on the learning rates of the branches that work, now that the number of images is known.

    Raises:
        ConfigError: A schedule raises before a run ends.
    """
    schedules, remarks, problems = Schedules(num_images), [], []
    for branch in checked.branches:
        for end in branch.ends if not branch.problems else ():
            if end.config is None:
                continue
            schedule = schedules.check(end.config)
            problems += [checked.locate(problem, end) for problem in schedule.problems]
            remarks += [checked.locate(remark, end) for remark in schedule.remarks]
    raise_problems(problems)
    return list(dict.fromkeys(remarks))


def load_data(settings: ExperimentConfig, later: Sequence[str] = ()) -> dict[str, ImageSplit]:
    """Loads what a search sees. The test split stays closed.

    Args:
        settings: The experiment.
        later: Splits that will be opened later, of whose files the broken ones are found now (see `load_splits`).
    """
    run, num_classes = settings.run, settings.learner.hparams.num_classes
    data = load_splits(settings.data, Path(run.data_root), ("train", "val"), run.memory_share, later)
    for split in data.values():
        check_labels(split, num_classes)
    for note in (
        describe_classes(data["train"].labels, num_classes),
        describe_absent("val", data["val"].labels, settings.learner.metrics, num_classes),
    ):
        if note is not None:
            logger.info(note)
    return data
