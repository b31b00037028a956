"""Parameters of a conditional space as points, and back: numbers in [0, 1], and the codes of categories.

The space is what the trials of a study have shown of it. A parameter named `<choice>.<option>.<rest>` exists where the
categorical `<choice>` is `<option>`, as in every space of this program; any other exists always. What does not exist in
a trial has one value for all such trials, so that it tells them apart in nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

__all__ = ["Encoding"]

Array = NDArray[np.float64]

_MIDDLE = 0.5  # of a number that does not exist
_NO_CODE = -1.0  # of a category that does not exist


class Encoding:
    """The dimensions of a space as coordinates.

    Args:
        distributions: Distributions by name, in any order.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        # By the number of their parts: what a parameter depends on comes before it.
        self.names = sorted(distributions, key=lambda name: (name.count("."), name))
        self._distributions = [distributions[name] for name in self.names]
        self.is_category = np.array([isinstance(each, CategoricalDistribution) for each in self._distributions], bool)
        self._conditions = [self._find_condition(name) for name in self.names]

    def encode(self, trials: Sequence[Mapping[str, Any]]) -> Array:
        """Returns (N, D) points."""
        points = np.full((len(trials), len(self.names)), _MIDDLE)
        points[:, self.is_category] = _NO_CODE
        for j, (name, distribution) in enumerate(zip(self.names, self._distributions, strict=True)):
            for i, params in enumerate(trials):
                if name in params:
                    points[i, j] = _encode(distribution, params[name])
        return points

    def decode(self, point: Array) -> dict[str, Any]:
        """Returns the parameters that exist at a point."""
        is_there = self._exist(point[None])[0]
        return {
            name: _decode(distribution, value)
            for name, distribution, value, there in zip(self.names, self._distributions, point, is_there, strict=True)
            if there
        }

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Returns random points, (count, D)."""
        return self._blank(self._draw_raw(count, rng))

    def mutate(self, points: Array, scale: float, rng: np.random.Generator) -> Array:
        """Returns a neighbour of each point: some numbers moved by `scale` or so, here and there another category."""
        fresh = self._draw_raw(len(points), rng)
        is_there = self._exist(points)
        moved = np.clip(points + rng.normal(0, scale, points.shape), 0, 1)
        numbers = np.where(rng.random(points.shape) < 0.5, moved, points)
        is_other = rng.random(points.shape) < 0.5 / max(1, self.is_category.sum())
        categories = np.where(is_other | (points == _NO_CODE), fresh, points)
        # What does not exist at the point may at its neighbour: it has a random value there.
        near = np.where(is_there, np.where(self.is_category, categories, numbers), fresh)
        return self._blank(near)

    @cached_property
    def num_active(self) -> float:
        """How many parameters a random point has on average."""
        return float(self._exist(self._draw_raw(256, np.random.default_rng(0))).sum(1).mean())

    def _draw_raw(self, count: int, rng: np.random.Generator) -> Array:
        points = rng.random((count, len(self.names)))
        for j, distribution in enumerate(self._distributions):
            if isinstance(distribution, CategoricalDistribution):
                points[:, j] = np.floor(points[:, j] * len(distribution.choices))
        return points

    def _exist(self, points: Array) -> NDArray[np.bool_]:
        """Which parameters exist at which points, (N, D)."""
        is_there = np.ones(points.shape, bool)
        for j, condition in enumerate(self._conditions):
            if condition is not None:
                parent, code = condition
                is_there[:, j] = is_there[:, parent] & (points[:, parent] == code)
        return is_there

    def _blank(self, points: Array) -> Array:
        return np.where(self._exist(points), points, np.where(self.is_category, _NO_CODE, _MIDDLE))

    def _find_condition(self, name: str) -> tuple[int, int] | None:
        """Finds the option that a parameter depends on, the innermost: the place of the choice, the option's code."""
        for prefix in _prefixes(name):
            for parent, distribution in enumerate(self._distributions):
                choice = self.names[parent]
                if isinstance(distribution, CategoricalDistribution) and prefix.startswith(f"{choice}."):
                    option = prefix.removeprefix(f"{choice}.")
                    if option in distribution.choices:
                        return parent, distribution.choices.index(option)
        return None


def _prefixes(name: str) -> Iterable[str]:
    """Yields the beginnings of a dotted name, the longest first."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _encode(distribution: BaseDistribution, value: Any) -> float:
    if isinstance(distribution, CategoricalDistribution):
        return float(distribution.to_internal_repr(value))
    low, high = _ends(distribution)
    number = np.log(value) if distribution.log else float(value)  # type: ignore[attr-defined]
    return float(np.clip((number - low) / (high - low), 0, 1)) if high > low else _MIDDLE


def _decode(distribution: BaseDistribution, value: float) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.to_external_repr(int(value))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = _ends(distribution)
    number = low + value * (high - low)
    number = float(np.exp(number) if distribution.log else number)
    if distribution.step is not None:
        number = distribution.low + distribution.step * round((number - distribution.low) / distribution.step)
    number = min(max(number, distribution.low), distribution.high)
    return int(number) if isinstance(distribution, IntDistribution) else number


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    """Returns the ends of a numeric dimension's range; each step of a grid has an equal share of it."""
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    half = (distribution.step or 0.0) / 2
    low, high = distribution.low - half, distribution.high + half
    return (float(np.log(low)), float(np.log(high))) if distribution.log else (low, high)
