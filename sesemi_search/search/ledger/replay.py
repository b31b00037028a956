"""Asking for a trial's parameters a second time, after a driver that may have died while it asked."""

import copy
from typing import Any

from optuna.trial import Trial

__all__ = ["Replay"]


class Replay:
    """Asks for a trial's parameters when the driver may have died while it asked.

    Optuna answers from the trial what it has already. The sampler is made to draw those as well, and its draws thrown
    away, so that its random numbers stand where they stood and the open parameters come out as they would have.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def suggest_float(self, name: str, low: float, high: float, **arguments: Any) -> float:
        """Returns what the trial has, or what its sampler draws."""
        self._draw(name)
        return self._trial.suggest_float(name, low, high, **arguments)

    def suggest_int(self, name: str, low: int, high: int, **arguments: Any) -> int:
        """Returns what the trial has, or what its sampler draws."""
        self._draw(name)
        return self._trial.suggest_int(name, low, high, **arguments)

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        """Returns what the trial has, or what its sampler draws."""
        self._draw(name)
        return self._trial.suggest_categorical(name, choices)

    def _draw(self, name: str) -> None:
        study = self._trial.study
        frozen = self._trial.storage.get_trial(self._trial._trial_id)
        if name in frozen.system_attrs.get("fixed_params", {}):
            return  # given, and never drawn
        distribution = frozen.distributions.get(name)
        if distribution is not None and not distribution.single() and name not in self._trial.relative_params:
            # As it was then: a sampler that enumerates looks at the parameters that the trial has.
            frozen = copy.deepcopy(frozen)
            before = list(frozen.params)[: list(frozen.params).index(name)]
            frozen.params = {each: frozen.params[each] for each in before}
            study.sampler.sample_independent(study, frozen, name, distribution)
