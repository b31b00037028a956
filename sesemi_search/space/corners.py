"""The branches of a space: each combination of its choices, with all numbers at their lowest and all at their highest.

A config that cannot work nearly always fails at one of these ends, and there are few.
"""

import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any

from sesemi_search.space.domains import Choice, Float, Int, Node, Options
from sesemi_search.space.size import count_combinations
from sesemi_search.space.space import Space, children, join

__all__ = ["branch_ends", "choices_of", "count_branches"]

# A choice of more numbers than these is visited as a range is.
_MAX_NUMBERS = 32
# Random draws for each branch that is wanted of a large space; some come twice.
_DRAWS = 20


def branch_ends(space: Space, limit: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Returns the parameters of every branch at its low and at its high end; of a large space, of some branches.

    Args:
        space: The space.
        limit: Branches to visit of a space that has more; still more where it takes them to visit every choice once.
            Of a long list of numbers that is the lowest and the highest.
    """
    if count_branches(space) <= limit:
        return list(zip(_assignments(space.root, "", True), _assignments(space.root, "", False), strict=True))
    rng = random.Random(0)
    # Every option once, whatever the limit; then combinations at random.
    wanted = [
        {**dimension.condition, dimension.name: choice}
        for dimension in space.dimensions
        if isinstance(dimension.domain, Choice | Options)
        for choice in _always_visited(dimension.domain)
    ]
    found: dict[tuple[Any, ...], tuple[dict[str, Any], dict[str, Any]]] = {}
    for drawn, fixed in enumerate(itertools.chain(wanted, itertools.repeat({}, _DRAWS * limit))):
        if drawn >= len(wanted) and len(found) >= limit:
            break
        low = space.sample(_CornerTrial(rng, True, fixed))
        high = space.sample(_CornerTrial(rng, False, low))
        found.setdefault(tuple(choices_of(space, low).items()), (low, high))
    return list(found.values())


def choices_of(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what names the branch of some parameters: those that are choices."""
    names = [d.name for d in space.dimensions if isinstance(d.domain, Choice | Options)]
    return {name: params[name] for name in names if name in params}


def count_branches(space: Space) -> int:
    """Returns the number of combinations of choices."""
    return count_combinations(space.root, lambda _: 1)


class _CornerTrial:
    """Answers a space with one end of every range, and with random choices but for those that are fixed."""

    def __init__(self, rng: random.Random, low: bool, fixed: Mapping[str, Any]) -> None:
        self._rng = rng
        self._low = low
        self._fixed = fixed

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:  # noqa: ARG002
        """Returns an end of the range."""
        return low if self._low else high

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:  # noqa: ARG002
        """Returns an end of the range."""
        return low if self._low else high

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        """Returns any choice."""
        return self._fixed[name] if name in self._fixed else self._rng.choice(choices)


def _always_visited(domain: Choice | Options) -> tuple[Any, ...]:
    if isinstance(domain, Options):
        return tuple(domain.nodes)
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in domain.values)
    is_range = are_numbers and len(domain.values) > _MAX_NUMBERS
    return (min(domain.values), max(domain.values)) if is_range else domain.values


def _assignments(node: Node, name: str, low: bool) -> Iterator[dict[str, Any]]:
    """Yields the parameters of a node, one dict for each combination of its choices."""
    match node:
        case Float() | Int():
            yield {name: node.low if low else node.high}
        case Choice():
            yield from ({name: value} for value in node.values)
        case Options():
            for option, child in node.nodes.items():
                yield from ({name: option, **rest} for rest in _assignments(child, join(name, option), low))
        case _:
            parts = [list(_assignments(child, join(name, part), low)) for part, child in children(node)]
            for combination in itertools.product(*parts):
                yield {key: value for params in combination for key, value in params.items()}
