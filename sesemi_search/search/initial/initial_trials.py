"""What a search begins with: trials of earlier searches, the experiment's own config, and configs to try first."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sesemi_search.config.experiment import Written
from sesemi_search.config.schema import SearchConfig
from sesemi_search.errors import ConfigError, Problem, raise_problems
from sesemi_search.search.initial.baseline import find_baseline
from sesemi_search.search.initial.warm_start import collect_trials
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Given, Origin, TrialRecord
from sesemi_search.space.points import Outside, name_point
from sesemi_search.space.space import Space

__all__ = ["InitialTrials", "plan_initial_trials"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InitialTrials:
    """What is in the ledger before the first trial.

    Attributes:
        copies: Finished trials of earlier searches.
        given: Parameters of this search's first trials, in order; those that are not given are sampled.
    """

    copies: Sequence[TrialRecord] = ()
    given: Sequence[Given] = ()


def plan_initial_trials(
    search: SearchConfig,
    objectives: Objectives,
    space: Space,
    experiment: Written,
) -> InitialTrials:
    """Reads earlier searches and holds what is to be tried first against the space; writes nothing.

    Args:
        search: The search's settings.
        objectives: What it optimizes.
        space: The space.
        experiment: The experiment as it is written.

    Raises:
        ConfigError: A search that cannot be read, or a config that is not in the space.
    """
    problems: list[Problem] = []
    given = list(_enqueued(search, space, problems))
    baseline = _baseline(space, experiment) if search.baseline else []
    first = len(baseline) + len(given)
    if given and first > search.num_trials:
        own = " and the experiment's own" if baseline else ""
        configs = f"{len(given)} config{'s' * (len(given) != 1)}"
        problems.append(
            Problem(
                "search.enqueue",
                f"{configs}{own} take {first} trials, and search.num_trials is {search.num_trials}: raise it.",
            )
        )
    copies: list[TrialRecord] = []
    try:
        copies, lines = collect_trials(search.warm_start, space, experiment, objectives)
        for line in lines:
            logger.info(line)
    except ConfigError as error:
        problems += error.problems
    raise_problems(problems)
    return InitialTrials(copies, [*baseline, *given])


def _baseline(space: Space, experiment: Written) -> list[Given]:
    try:
        return [Given(find_baseline(space, experiment), Origin.baseline)]
    except Outside as reason:
        logger.info(f"no baseline: the experiment's own config is not in the space: {reason}")
        return []


def _enqueued(search: SearchConfig, space: Space, problems: list[Problem]) -> list[Given]:
    given = []
    for i, values in enumerate(search.enqueue):
        try:
            given.append(Given(name_point(space, values, f"search.enqueue.{i}"), Origin.enqueued))
        except ConfigError as error:
            problems += error.problems
    return given
