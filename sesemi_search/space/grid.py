"""A space without a continuous dimension as a grid: which of its points a trial is."""

from collections.abc import Mapping
from typing import Any

from sesemi_search.space.domains import Choice, Float, Int, Options
from sesemi_search.space.space import Space

__all__ = ["grid_point"]


def grid_point(space: Space, params: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """Returns what is equal for two trials exactly when they are one point of the grid."""
    domains = {dimension.name: dimension.domain for dimension in space.dimensions}
    return frozenset((name, _coordinate(domains[name], value)) for name, value in params.items())


def _coordinate(domain: Float | Int | Choice | Options, value: Any) -> Any:
    if isinstance(domain, Float) and domain.step is not None:
        return round((value - domain.low) / domain.step)
    return value if isinstance(domain, Int | Float) else repr(value)  # 1, 1.0 and True are one in a set
