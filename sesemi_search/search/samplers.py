"""Two samplers that Optuna has in a form that no ledger can use: with a pickle in the study, with a seed for each ask.

Like every sampler here they are built anew for each ask and keep nothing but what the study has. Which of them a space
can have is `sesemi_search.search.serving`'s to say.
"""

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sesemi_search.config.errors import ConfigError
from sesemi_search.config.targets import locate

__all__ = ["CmaEsSampler", "QmcSampler", "is_sampler", "refuse_pickles"]

_GENERATION = "cmaes:generation"
_SIGMA = 1 / 6  # of a dimension's range, as Optuna's sampler begins


class CmaEsSampler(BaseSampler):
    """CMA-ES (Hansen 2016), its distribution made anew from the trials that were told.

    It models the float and int dimensions that all trials have; the others are random. A trial that was stopped counts
    as worse than all that went further, one that never reported as worst: the algorithm asks for an order only.

    Optuna's sampler of that name pickles its optimizer into the study instead, and unpickles what it finds there.

    Args:
        seed: Seeds the draw of one trial.
        population_size: Trials of a generation; null is 4 + 3 ln(dimensions).
    """

    def __init__(self, *, seed: int, population_size: int | None = None) -> None:
        self._seed = seed
        self._population_size = population_size
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """Returns the numeric dimensions that every finished trial has."""
        shared = IntersectionSearchSpace(include_pruned=True).calculate(study)
        numeric = (FloatDistribution, IntDistribution)
        return {name: each for name, each in shared.items() if isinstance(each, numeric) and not each.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns a draw from the distribution after all generations that are whole."""
        if not search_space or "fixed_params" in trial.system_attrs:  # a trial that was given is no draw to learn from
            return {}
        from cmaes import CMA  # type: ignore[import-untyped]  # its scipy takes a second to import

        transform = _SearchSpaceTransform(search_space, transform_0_1=True)
        optimizer = CMA(
            np.full(len(search_space), 0.5),
            _SIGMA,
            bounds=transform.bounds,
            n_max_resampling=10 * len(search_space),
            seed=self._seed,
            population_size=self._population_size,
        )
        while len(told := _finished(study, optimizer.generation)) >= optimizer.population_size:
            ranked = sorted(told[: optimizer.population_size], key=lambda each: _rank(study, each))
            optimizer.tell([(transform.transform(each.params), float(rank)) for rank, each in enumerate(ranked)])
        study._storage.set_trial_system_attr(trial._trial_id, _GENERATION, optimizer.generation)
        return transform.untransform(optimizer.ask())

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Returns a random value."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def _finished(study: Study, generation: int) -> list[FrozenTrial]:
    """Trials of a generation in the order in which they ended: what ends later changes no earlier population."""
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    trials = [
        t for t in study.get_trials(deepcopy=False, states=states) if t.system_attrs.get(_GENERATION) == generation
    ]
    return sorted(trials, key=lambda trial: trial.datetime_complete or datetime.max)


def _rank(study: Study, trial: FrozenTrial) -> tuple[bool, int, float]:
    """Complete trials first, then those that went further, then the better ones."""
    value = math.inf
    if trial.value is not None and not math.isnan(trial.value):
        value = -trial.value if study.direction is StudyDirection.MAXIMIZE else trial.value
    stopped = trial.state is TrialState.PRUNED
    return stopped, -(trial.last_step or 0) if stopped else 0, value


class QmcSampler(optuna.samplers.QMCSampler):
    """A scrambled Sobol' or Halton sequence, of which trial n has point n, however often the search was interrupted.

    Args:
        seed: Seeds what is sampled besides the sequence, for one trial.
        search_seed: Scrambles the sequence: the same for all trials, or it would be none.
        qmc_type: `sobol` or `halton`.
    """

    def __init__(self, *, seed: int, search_seed: int, qmc_type: str = "sobol") -> None:
        random = RandomSampler(seed=seed)
        super().__init__(
            qmc_type=qmc_type,
            scramble=True,
            seed=search_seed,
            independent_sampler=random,
            warn_independent_sampling=False,
        )
        self._point = 0

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns the trial's point of the sequence."""
        self._point = trial.number
        return super().sample_relative(study, trial, search_space)

    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:  # noqa: ARG002
        # Optuna counts the asks in the study, so that one that a crash cut short would skip a point.
        return self._point


def is_sampler(node: object, *classes: type[BaseSampler]) -> bool:
    """Whether a node's `_target_` is one of some classes, or made of one; False where it cannot be found."""
    try:
        target: Any = locate(node["_target_"] if isinstance(node, Mapping) else None, "search.sampler")
    except (ConfigError, KeyError):
        return False
    return inspect.isclass(target) and issubclass(target, classes)


def refuse_pickles(node: Mapping[str, Any]) -> None:
    """Refuses Optuna's CMA-ES, anywhere in a sampler's node.

    Raises:
        ConfigError: It is there.
    """
    for each in _nodes(node):
        if is_sampler(each, optuna.samplers.CmaEsSampler):
            raise ConfigError(
                f"search.sampler: got {each['_target_']!r}, which keeps its state in the ledger as a pickle, and that "
                "runs when a search goes on. Take search/sampler=cmaes: the same algorithm without one."
            )


def _nodes(value: object) -> Iterator[Mapping[str, Any]]:
    """Yields every mapping inside a value."""
    if isinstance(value, Mapping):
        yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for child in value:
            yield from _nodes(child)
