"""Points of a space that are given and not sampled: each value held against its domain, each name against the space."""

from collections.abc import Mapping, Sequence
from typing import Any

from sesemi_search.config.sesemi_keys import our_parameter
from sesemi_search.errors import Problem, raise_problems, suggest
from sesemi_search.space.domains import Choice, Domain, Float, Int, Options
from sesemi_search.space.space import Dimension, Space

__all__ = ["Outside", "accept", "complete_point", "name_point"]


class Outside(Exception):
    """A value or a point is not in the space; the text says which and why."""


def accept(domain: Domain, value: Any) -> Any:
    """Returns a value as its domain has it: a whole number as a float where the domain is one, and so on.

    Raises:
        Outside: The domain does not hold the value. The text says what it holds.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match domain:
        case Float():
            if is_number and domain.low <= value <= domain.high and _is_on_grid(value, domain.low, domain.step):
                return float(value)
        case Int():
            if is_number and domain.low <= value <= domain.high and (value - domain.low) % domain.step == 0:
                return int(value)
        case Choice():
            for each in domain.values:
                if each == value and isinstance(each, bool) == isinstance(value, bool):
                    return each
        case Options():
            if isinstance(value, str) and value in domain.nodes:
                return value
    raise Outside(f"outside {_describe(domain)}")


def complete_point(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns parameters as the space would have sampled them.

    Raises:
        Outside: A parameter of their branch is missing, another is none of it, or a value is outside its domain.
    """
    point: dict[str, Any] = {}
    for dimension in space.dimensions:
        if not _exists(dimension, point):
            continue
        if dimension.name not in params:
            raise Outside(f"{dimension.name}: has no value")
        try:
            point[dimension.name] = accept(dimension.domain, params[dimension.name])
        except Outside as reason:
            raise Outside(f"{dimension.name}: {reason}") from None
    for name in params:
        if name not in point:
            raise Outside(f"{name}: is no parameter of this space")
    return point


def name_point(space: Space, given: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Returns some parameters of a point by their full names.

    Args:
        space: The space.
        given: Values by full name, or by the end of one that no other name has; SESEMI's names for keys of `run` count.
        key: Dotted key of `given`, for the messages.

    Raises:
        ConfigError: With every name that the space does not know, every value outside it, and every parameter of an
            option that `given` does not choose.
    """
    problems: list[Problem] = []
    point: dict[str, Any] = {}
    found: dict[str, Dimension] = {}
    for name, value in given.items():
        try:
            dimension = _find(space, name)
            if dimension.name in point:
                raise Outside(f"is {space.short_names[dimension.name]} once more")
            point[dimension.name] = accept(dimension.domain, value)
            found[name] = dimension
        except Outside as reason:
            text = str(reason)
            problems.append(Problem(f"{key}.{name}", f"got {value!r}; {text}{'' if text.endswith('?') else '.'}"))
    for name, dimension in found.items():
        for parent, option in dimension.condition.items():
            if parent in point and point[parent] != option:
                what = f"is an argument of {option!r}, and this config has {space.short_names[parent]}: {point[parent]}"
            elif parent not in point:
                what = f"is an argument of {option!r}; add {space.short_names[parent]}: {option}"
            else:
                continue
            problems.append(Problem(f"{key}.{name}", f"{what}."))
            break
    raise_problems(problems)
    return point


def _exists(dimension: Dimension, point: Mapping[str, Any]) -> bool:
    return all(point.get(name) == option for name, option in dimension.condition.items())


def _find(space: Space, name: str) -> Dimension:
    """Returns the dimension with a name, or the one whose name ends in it."""
    ours = our_parameter(name)
    found = _match(space.dimensions, name) or _match([d for d in space.dimensions if d.name.startswith("run.")], ours)
    if len(found) == 1:
        return found[0]
    if found:
        raise Outside(f"several parameters end in that name: {', '.join(space.short_names[d.name] for d in found)}")
    known = list(space.short_names.values())
    near = suggest(ours, [*known, *space.short_names]) or suggest(ours.split(".")[-1], known)
    raise Outside(f"the space has no such parameter; it has {', '.join(known) or 'none'}.{near}".rstrip("."))


def _match(dimensions: Sequence[Dimension], name: str) -> list[Dimension]:
    parts = name.split(".")
    exact = [d for d in dimensions if d.name == name]
    return exact or [d for d in dimensions if d.name.split(".")[-len(parts) :] == parts]


def _is_on_grid(value: float, low: float, step: float | None) -> bool:
    if step is None:
        return True
    steps = (value - low) / step
    return abs(steps - round(steps)) < 1e-8  # as Optuna sees it


def _describe(domain: Domain) -> str:
    match domain:
        case Choice():
            return f"[{', '.join(map(repr, domain.values))}]"
        case Options():
            return f"[{', '.join(domain.nodes)}]"
        case _:
            grid = f" in steps of {domain.step:g}" if domain.step not in (None, 1) else ""
            whole = " of whole numbers" if isinstance(domain, Int) else ""
            return f"[{domain.low:g}, {domain.high:g}]{whole}{grid}"
