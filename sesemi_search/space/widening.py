"""A range that is made wider at one end: how far, with care for what such numbers may be."""

import math
from dataclasses import replace
from decimal import Decimal

from sesemi_search.space.domains import Float, Int

__all__ = ["widen"]

_MOST = 10.0  # times, of a range in the logarithm


def widen(domain: Float | Int, *, upper: bool) -> Float | Int | None:
    """Returns a range with one end moved outward by half its width, in the logarithm where it is one of those.

    A lower end that is not negative does not become so, one above 0 stays above it, and one of whole numbers that is at
    least 1 stays it. The upper end of a range within [0, 1] goes no further than half the way to 1, since it may be a
    share: a momentum, a dropout.

    Args:
        domain: The range.
        upper: Whether it is the upper end that moves.

    Returns:
        The range, with the same step; None where there is no room.
    """
    end = domain.high if upper else domain.low
    moved = _move(domain, upper)
    if domain.step is not None:
        moved = _to_grid(domain, end, moved)
    if moved == end:
        return None
    ends = (domain.low, moved) if upper else (moved, domain.high)
    if isinstance(domain, Int):
        return replace(domain, low=int(ends[0]), high=int(ends[1]))
    return replace(domain, low=ends[0], high=ends[1])


def _move(domain: Float | Int, upper: bool) -> float:
    """Returns where an end is to go."""
    low, high = domain.low, domain.high
    if domain.log:
        factor = min(_MOST, math.sqrt(high / low))
        return max(_least(domain), float(f"{high * factor if upper else low / factor:.2g}"))
    if upper:
        wider = high + (high - low) / 2
        return min(wider, (high + 1) / 2) if _is_share(domain) else wider
    # One above 0 stays there: half of it is tried, not none of it.
    least = low / 2 if isinstance(domain, Float) and low > 0 else _least(domain)
    return max(least, low - (high - low) / 2)


def _to_grid(domain: Float | Int, end: float, moved: float) -> float:
    """Returns the place on the grid of a domain next to where an end is to go, a step away from it at least."""
    step, start = Decimal(str(domain.step)), Decimal(str(end))  # as they are written
    steps = round((Decimal(str(moved)) - start) / step)
    steps = steps or (1 if moved > end else -1 if moved < end else 0)
    place = float(start + steps * step)
    is_possible = place >= _least(domain) and (place > 0 or domain.low <= 0) and (place < 1 or not _is_share(domain))
    return place if is_possible else end


def _is_share(domain: Float | Int) -> bool:
    return isinstance(domain, Float) and not domain.log and domain.low >= 0 and domain.high <= 1


def _least(domain: Float | Int) -> float:
    """Returns what the lower end of a range can be."""
    if domain.low < 0:
        return -math.inf
    return 1 if isinstance(domain, Int) and domain.low >= 1 else 0
