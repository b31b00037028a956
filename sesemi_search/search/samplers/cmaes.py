"""CMA-ES that keeps no state but the ledger's: Optuna's own puts a pickle into the study."""

import math
from datetime import datetime
from typing import Any

import numpy as np
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

__all__ = ["CmaEsSampler"]

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
        finished = _finished(study)
        while len(told := finished.get(optimizer.generation, [])) >= optimizer.population_size:
            ranked = sorted(told[: optimizer.population_size], key=lambda each: _rank(study, each))
            optimizer.tell([(transform.transform(each.params), float(rank)) for rank, each in enumerate(ranked)])
        study._storage.set_trial_system_attr(trial._trial_id, _GENERATION, optimizer.generation)
        return transform.untransform(optimizer.ask())

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Returns a random value."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def _finished(study: Study) -> dict[int, list[FrozenTrial]]:
    """Trials by generation in the order in which they ended: what ends later changes no earlier population."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    finished: dict[int, list[FrozenTrial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.datetime_complete or datetime.max):
        if _GENERATION in trial.system_attrs:
            finished.setdefault(trial.system_attrs[_GENERATION], []).append(trial)
    return finished


def _rank(study: Study, trial: FrozenTrial) -> tuple[bool, int, float]:
    """Complete trials first, then those that went further, then the better ones."""
    value = math.inf
    if trial.value is not None and not math.isnan(trial.value):
        value = -trial.value if study.direction is StudyDirection.MAXIMIZE else trial.value
    stopped = trial.state is TrialState.PRUNED
    return stopped, -(trial.last_step or 0) if stopped else 0, value
