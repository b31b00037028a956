"""A sampler and a pruner that end the driver with SIGKILL at the moment that $FAULTY_DEATH names; else the default's.

A name without its last words stands for the first such moment.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from sesemi_search.search.pruners import ArchitectureHalvingPruner
from sesemi_search.search.samplers import LearningCurveSampler


def _die_at(moment: str) -> None:
    death = os.environ.get("FAULTY_DEATH")
    if death is not None and f"{moment} ".startswith(f"{death} "):
        os.kill(os.getpid(), signal.SIGKILL)


class Sampler(LearningCurveSampler):
    """Dies at `ask N M`: trial N has M parameters; `model N`: all are drawn, none written; `tell N`: before its end."""

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        _die_at(f"ask {trial.number} {len(trial.params)}")
        return super().sample_independent(study, trial, name, distribution)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        drawn = super().sample_relative(study, trial, dict(search_space))
        if drawn:
            _die_at(f"model {trial.number}")
        return drawn

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        _die_at(f"tell {trial.number}")
        super().after_trial(study, trial, state, values)


class Pruner(ArchitectureHalvingPruner):
    """Dies at `stop N`: trial N is to be stopped, and nobody knows yet."""

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        stops = super().prune(study, trial)
        if stops:
            _die_at(f"stop {trial.number}")
        return stops
