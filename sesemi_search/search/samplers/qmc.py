"""Quasi-random points, one for each trial's number: Optuna's own counts its asks in the study."""

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import QMCSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

__all__ = ["QmcSampler"]


class QmcSampler(QMCSampler):
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
