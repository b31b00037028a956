"""A sampler and a pruner that end with trial 2, each where it is told to, until they are mended."""

import sys
from collections.abc import Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

is_broken = True


def _end(number: int) -> None:
    if is_broken and number == 2:
        sys.exit(0)


class ExitingSampler(RandomSampler):
    """Draws at random."""

    def __init__(self, place: str, seed: int | None = None) -> None:
        super().__init__(seed)
        self.place = place

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Nothing, or the end."""
        if self.place == "before":
            _end(trial.number)
        return super().infer_relative_search_space(study, trial)

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """A value, or the end."""
        if self.place == "value":
            _end(trial.number)
        if self.place == "raise" and is_broken and trial.number == 2:
            raise ValueError("no idea.")
        return super().sample_independent(study, trial, name, distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Nothing, or the end."""
        if self.place == "after":
            _end(trial.number)


class ExitingPruner(BasePruner):
    """Stops no trial."""

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """To go on, or the end."""
        _end(trial.number)
        return False
