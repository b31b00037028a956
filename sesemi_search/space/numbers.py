"""The numeric domains of a space, parsed: bounds that are numbers in their order, a step that reaches the upper one."""

import math
import sys
from collections.abc import Mapping
from decimal import Decimal, DecimalException
from typing import Any

from sesemi_search.errors import Problem
from sesemi_search.space.domains import Constant, Float, Int, Node

__all__ = ["parse_number"]

# Beyond it a float does not tell whole numbers apart, and samplers work in floats.
_MAX_INT = 2**53


def parse_number(kind: str, raw: Mapping[str, Any], key: str, problems: list[Problem]) -> Node:
    """Returns the domain of `{float: [low, high], ...}` or `{int: [low, high], ...}`; what is wrong goes to `problems`.

    Args:
        kind: `float` or `int`.
        raw: The mapping, whose keys are those of the domain.
        key: Its dotted key, for the messages.
        problems: Takes them.
    """
    bounds, log, step = raw[kind], raw.get("log", False), raw.get("step")
    found = list(_check_number(kind, bounds, log, step, key))
    problems.extend(found)
    if found:
        return Constant(None)
    low, high = bounds
    if kind == "float":
        return Float(float(low), float(high), log, None if step is None else float(step))
    return Int(int(low), int(high), log, 1 if step is None else int(step))


def _check_number(kind: str, bounds: Any, log: Any, step: Any, key: str) -> list[Problem]:
    """Returns what is wrong with a numeric domain."""
    what = "two numbers" if kind == "float" else f"two whole numbers of at most {_MAX_INT}"
    if not (isinstance(bounds, list | tuple) and len(bounds) == 2 and all(_is_number(b, kind) for b in bounds)):
        return [Problem(f"{key}.{kind}", f"got {bounds!r}; it takes {what}, [low, high].")]
    low, high = bounds
    problems = []
    if not math.isfinite(float(high) - float(low)):
        problems.append(
            Problem(f"{key}.{kind}", f"got [{low}, {high}]; that is wider than the numbers of the machine.")
        )
    if low > high:
        problems.append(Problem(f"{key}.{kind}", f"got [{low}, {high}]; low is above high."))
    if not isinstance(log, bool):
        problems.append(Problem(f"{key}.log", f"got {log!r}; it takes true or false."))
    elif log and low <= 0:
        problems.append(Problem(f"{key}.{kind}", f"got [{low}, {high}] with log: true; a logarithm needs low > 0."))
    if step is None or problems:
        return problems
    if not _is_number(step, kind) or step <= 0:
        return [
            Problem(
                f"{key}.step", f"got {step!r}; it takes a positive {'number' if kind == 'float' else 'whole number'}."
            )
        ]
    if log:
        return [Problem(f"{key}.step", f"got {step!r} with log: true; it takes one of the two.")]
    # In decimals, as they are written: 0.8 + 19 * 0.01 is 0.99 there and not quite so in binary.
    try:
        rest = (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step))
    except DecimalException:
        return [Problem(f"{key}.step", f"got {step!r}; from {low} to {high} it makes more steps than can be counted.")]
    if rest:
        return [
            Problem(
                f"{key}.step",
                f"steps of {step} from {low} do not reach {high}; the last is {Decimal(str(high)) - rest}.",
            )
        ]
    return []


def _is_number(value: Any, kind: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if kind == "int":
        return abs(value) <= _MAX_INT and value == int(value)
    return abs(value) <= sys.float_info.max  # false of nan too
