"""Points of a space drawn at random without Optuna, for what is tried before a search has a sampler."""

import math
import random
from typing import Any

__all__ = ["RandomTrial"]


class RandomTrial:
    """Answers a space as a random sampler does: uniform in each domain, or in its logarithm."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:  # noqa: ARG002
        """Returns a number of [low, high]."""
        if step is not None:
            num_steps = math.floor((high - low) / step + 1e-6)  # 0.19 / 0.01 is not quite 19
            return min(low + self._rng.randint(0, num_steps) * step, high)
        drawn = math.exp(self._rng.uniform(math.log(low), math.log(high))) if log else self._rng.uniform(low, high)
        return min(max(drawn, low), high)

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """Returns a whole number of [low, high]."""
        if log:
            return round(self.suggest_float(name, low, high, step=None, log=True))
        return low + self._rng.randint(0, (high - low) // step) * step

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:  # noqa: ARG002
        """Returns one of the choices."""
        return self._rng.choice(choices)
