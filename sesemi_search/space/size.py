"""How large a space is: how many configs it can give, exactly."""

import math
from decimal import Decimal

from sesemi_search.space.domains import Choice, Float, Int, Node, Options
from sesemi_search.space.space import Space, children

__all__ = ["count_configs", "count_discrete", "is_continuous"]


def count_configs(space: Space) -> int | None:
    """Returns the number of configs of a finite space, None of one with a continuous dimension."""
    return None if any(is_continuous(dimension.domain) for dimension in space.dimensions) else count_discrete(space)


def count_discrete(space: Space) -> int:
    """Returns the number of combinations of all choices, whole numbers and steps; continuous dimensions do not count.

    What is conditional counts in its own branch only.
    """
    return _count(space.root)


def is_continuous(domain: Node) -> bool:
    """Whether a domain holds more values than can be counted."""
    return isinstance(domain, Float) and domain.step is None and domain.low < domain.high


def _count(node: Node) -> int:
    match node:
        case Float(step=None):
            return 1
        case Float():
            # In decimals, as the step is written.
            return int((Decimal(str(node.high)) - Decimal(str(node.low))) / Decimal(str(node.step))) + 1
        case Int():
            return (node.high - node.low) // node.step + 1
        case Choice():
            return len(node.values)
        case Options():
            return sum(_count(child) for child in node.nodes.values())
        case _:
            return math.prod(_count(child) for _, child in children(node))
