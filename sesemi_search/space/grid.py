"""A space without a continuous dimension as a grid: how many points it has, and which of them a trial tried."""

import math
from collections.abc import Mapping
from typing import Any

from sesemi_search.space.domains import Choice, Float, Int, Node, Options
from sesemi_search.space.space import Dimension, Space, children

__all__ = ["continuous_dimensions", "count_points", "grid_point"]

_CLOSE = 1e-8  # as Optuna sees whether a number is on a grid


def continuous_dimensions(space: Space) -> list[Dimension]:
    """Returns the dimensions that no grid can hold: floats without a step."""
    return [d for d in space.dimensions if isinstance(d.domain, Float) and d.domain.step is None and not _single(d)]


def count_points(space: Space) -> int:
    """Returns the number of different trials that a space allows.

    The space has no continuous dimension.
    """
    return _count(space.root)


def grid_point(space: Space, params: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """Returns what is equal for two trials exactly when they are one point of the grid."""
    domains = {dimension.name: dimension.domain for dimension in space.dimensions}
    return frozenset((name, _coordinate(domains[name], value)) for name, value in params.items())


def _count(node: Node) -> int:
    match node:
        case Float():
            return 1 if node.step is None else math.floor((node.high - node.low) / node.step + _CLOSE) + 1
        case Int():
            return (node.high - node.low) // node.step + 1
        case Choice():
            return len(node.values)
        case Options():
            return sum(_count(child) for child in node.nodes.values())
        case _:
            return math.prod(_count(child) for _, child in children(node))


def _coordinate(domain: Float | Int | Choice | Options, value: Any) -> Any:
    if isinstance(domain, Float) and domain.step is not None:
        return round((value - domain.low) / domain.step)
    return value if isinstance(domain, Int | Float) else repr(value)  # 1, 1.0 and True are one in a set


def _single(dimension: Dimension) -> bool:
    return isinstance(dimension.domain, Float) and dimension.domain.low == dimension.domain.high
