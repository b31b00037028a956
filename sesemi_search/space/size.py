"""How large a space is: how many configs it can give, exactly."""

import math
from collections.abc import Callable
from decimal import Decimal

from sesemi_search.space.domains import Choice, Float, Int, Node, Options
from sesemi_search.space.space import Space, children

__all__ = ["count_combinations", "count_configs", "count_discrete", "describe_size", "is_continuous"]


def count_configs(space: Space) -> int | None:
    """Returns the number of configs of a finite space, None of one with a continuous dimension."""
    return None if any(is_continuous(dimension.domain) for dimension in space.dimensions) else count_discrete(space)


def count_discrete(space: Space) -> int:
    """Returns the number of combinations of all choices, whole numbers and steps; continuous dimensions do not count.

    What is conditional counts in its own branch only.
    """
    return count_combinations(space.root, _count_values)


def is_continuous(domain: Node) -> bool:
    """Whether a domain holds more values than can be counted."""
    return isinstance(domain, Float) and domain.step is None and domain.low < domain.high


def count_combinations(node: Node, count_values: Callable[[Float | Int], int]) -> int:
    """Returns the number of combinations below a node, each range counted as `count_values` says."""
    match node:
        case Float() | Int():
            return count_values(node)
        case Choice():
            return len(node.values)
        case Options():
            return sum(count_combinations(child, count_values) for child in node.nodes.values())
        case _:
            return math.prod(count_combinations(child, count_values) for _, child in children(node))


def _count_values(domain: Float | Int) -> int:
    """Returns the number of values of a range; 1 of a continuous one."""
    if isinstance(domain, Int):
        return (domain.high - domain.low) // domain.step + 1
    if domain.step is None:
        return 1
    # In decimals, as the step is written.
    return int((Decimal(str(domain.high)) - Decimal(str(domain.low))) / Decimal(str(domain.step))) + 1


def describe_size(space: Space) -> list[str]:
    """Returns lines that say how many dimensions a space has, and how many configs the countable ones make."""
    dimensions = space.dimensions
    conditional = sum(bool(dimension.condition) for dimension in dimensions)
    continuous = sum(is_continuous(dimension.domain) for dimension in dimensions)
    size = count_discrete(space)
    configs = f"{size:,} config{'s' * (size != 1)}"
    number = f"{len(dimensions)} dimension{'s' * (len(dimensions) != 1)}"
    return [
        f"{number}: {conditional} conditional, {continuous} continuous",
        f"{configs} of the discrete dimensions, times the continuous ones" if continuous else f"{configs} in all",
    ]
