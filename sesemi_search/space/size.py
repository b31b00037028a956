"""How many configs a space holds."""

import math

from sesemi_search.space.domains import Choice, Constant, Float, Int, Node, Options
from sesemi_search.space.space import Space, children

__all__ = ["count_configs"]


def count_configs(space: Space) -> int | None:
    """Returns the number of configs of a space; None where a number of it is continuous."""
    return _count(space.root)


def _count(node: Node) -> int | None:
    match node:
        case Float():
            return None if node.step is None else round((node.high - node.low) / node.step) + 1
        case Int():
            return (node.high - node.low) // node.step + 1
        case Choice():
            return len(node.values)
        case Constant():
            return 1
        case Options():
            counts = [_count(child) for child in node.nodes.values()]
            return None if None in counts else sum(c for c in counts if c is not None)
        case _:
            counts = [_count(child) for _, child in children(node)]
            return None if None in counts else math.prod(c for c in counts if c is not None)
