"""Landscapes that are made up, each to have one property that a stop rule or a sampler may stumble over.

Five numbers in [0, 1] say how good a config is at its end, a smooth bowl with its optimum off the middle, and how fast
it comes there. Values lie between about 0 and 1.
"""

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.search_quality.simulate import Curve

__all__ = ["LANDSCAPES", "OPTION", "Landscape"]

_NUM_EPOCHS = 27
_NAMES = ("a", "b", "c", "d", "e")
_OPTIMUM = (0.3, 0.62, 0.8, 0.45, 0.2)
_WEIGHTS = (1.0, 0.7, 0.4, 0.2, 0.1)
_NUMBERS = {name: {"float": [0.0, 1.0]} for name in _NAMES}
OPTION = "tuned"  # of eight, the one that is best where its own dimensions are right

Shape = Callable[[Mapping[str, Any]], tuple[float, float, float]]


class Landscape:
    """A function of parameters and epoch.

    Args:
        name: Names it.
        shape: Gives a config's value at the end, the epochs that two thirds of it take, and seconds an epoch.
        space: The plain tree of its space.
        noise: Standard deviation that is added to each value, the same for a config as often as it is asked for.
    """

    num_epochs = _NUM_EPOCHS

    def __init__(self, name: str, shape: Shape, space: Mapping[str, Any], noise: float = 0.0) -> None:
        self.name = f"synthetic/{name}"
        self.space = space
        self._shape = shape
        self._noise = noise

    def begin(self) -> None:
        """Nothing: a config always has the same curve."""

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """Returns a saturating exponential; `test` is the curve without its noise."""
        end, pace, seconds = self._shape(params)
        rng = random.Random(repr(sorted(params.items())))
        full = 1 - math.exp(-_NUM_EPOCHS / pace)
        true = [end * (1 - math.exp(-epoch / pace)) / full for epoch in range(1, _NUM_EPOCHS + 1)]
        return Curve([value + rng.gauss(0, self._noise) for value in true], true, seconds)

    def family(self, params: Mapping[str, Any]) -> str:
        """Returns the option of a config, "" where the space has none."""
        return str(params.get("model", ""))

    @property
    def best_family(self) -> str:
        """The option that is best."""
        return OPTION if "model" in self.space else ""


def _bowl(params: Mapping[str, Any]) -> float:
    distance = sum(w * (params[n] - o) ** 2 for n, o, w in zip(_NAMES, _OPTIMUM, _WEIGHTS, strict=True))
    return math.exp(-3 * distance)


def _equal(params: Mapping[str, Any]) -> tuple[float, float, float]:
    return _bowl(params), 5.0, 1.0


def _best_is_slow(params: Mapping[str, Any]) -> tuple[float, float, float]:
    """What is best learns late, and an epoch of it takes ten times as long."""
    return _bowl(params), 3.0 + 12.0 * _bowl(params), 1.0 + 9.0 * _bowl(params)


def _worst_is_fast(params: Mapping[str, Any]) -> tuple[float, float, float]:
    return _bowl(params), 5.0, 0.1 + _bowl(params)


def _crossing(params: Mapping[str, Any]) -> tuple[float, float, float]:
    """The pace hangs on a number of its own, at both ends of which curves cross those of the other."""
    end = _bowl(params) * (0.8 + 0.2 * params["e"])
    return end, 2.0 + 18.0 * params["e"], 1.0


def _options(params: Mapping[str, Any]) -> tuple[float, float, float]:
    """Seven plain options, and one that is worse than they are unless its two own numbers suit each other."""
    base = 0.7 + 0.1 * _bowl(params)
    if params["model"] != OPTION:
        return base - 0.01 * (ord(str(params["model"])[-1]) % 7), 5.0, 1.0
    x, y = (params[f"model.{OPTION}.{name}"] for name in ("scale", "margin"))
    return base - 0.15 + 0.35 * math.exp(-12 * ((x - 0.7) ** 2 + (y - 0.25) ** 2)), 5.0, 1.0


_EIGHT: dict[str, Any] = {f"plain{i}": {"_target_": f"x.Plain{i}"} for i in range(7)}
_EIGHT[OPTION] = {"_target_": "x.Tuned", "scale": {"float": [0.0, 1.0]}, "margin": {"float": [0.0, 1.0]}}
LANDSCAPES = {
    "equal": Landscape("equal", _equal, _NUMBERS),
    "best-is-slow": Landscape("best-is-slow", _best_is_slow, _NUMBERS),
    "worst-is-fast": Landscape("worst-is-fast", _worst_is_fast, _NUMBERS),
    "crossing": Landscape("crossing", _crossing, _NUMBERS),
    "noise": Landscape("noise", _equal, _NUMBERS, noise=0.03),
    "options": Landscape("options", _options, {**_NUMBERS, "model": {"choice": _EIGHT}}),
}
