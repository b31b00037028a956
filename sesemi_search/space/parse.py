"""From the plain containers of a YAML overlay to a space, with every mistake found on the way.

The syntax is `{float: [low, high]}`, `{int: [low, high]}`, `{choice: [...]}`, `{choice: {name: fragment, ...}}` and,
for a constant that looks like one of these, `{literal: ...}`.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sesemi_search.config.errors import raise_problems, suggest
from sesemi_search.space.domains import Choice, Constant, Float, Int, Listing, Node, Options, Tree

__all__ = ["DOMAIN_KEYS", "parse_space"]

DOMAIN_KEYS = {"float": {"float", "log", "step"}, "int": {"int", "log", "step"}, "choice": {"choice"}}
_LITERAL = "literal"


def parse_space(raw: Any) -> Tree:
    """Returns the space that an overlay describes.

    Args:
        raw: Plain containers, interpolations unresolved.

    Raises:
        ConfigError: With all the mistakes, each by its dotted key.
    """
    problems: list[str] = []
    if not isinstance(raw, Mapping) or not raw:
        raise_problems([f"space: got {raw!r}; it takes a mapping, the experiment's own tree with domains as values."])
    node = _parse(raw, "space", problems)
    if not isinstance(node, Tree) and not problems:
        problems.append(
            "space: is one domain; domains belong at the keys of the experiment, space.learner... and so on."
        )
    raise_problems(problems)
    assert isinstance(node, Tree)
    return node


def _parse(raw: Any, key: str, problems: list[str]) -> Node:
    """Parses one node; what is wrong goes to `problems`."""
    if isinstance(raw, list | tuple):
        return Listing(tuple(_parse(item, f"{key}.{i}", problems) for i, item in enumerate(raw)))
    if not isinstance(raw, Mapping):
        return Constant(raw)
    if set(raw) == {_LITERAL}:
        return Constant(raw[_LITERAL])
    kind = next((kind for kind in DOMAIN_KEYS if kind in raw), None)
    if kind is None or "_target_" in raw:
        return _parse_tree(raw, key, problems)
    unknown = [name for name in raw if name not in DOMAIN_KEYS[kind]]
    if unknown:
        allowed = sorted(DOMAIN_KEYS[kind] - {kind})
        takes = ", ".join(allowed) or "nothing else"
        problems.append(
            f"{key}: got the key {unknown[0]!r} beside {kind!r}; a {kind} domain takes {takes}."
            f"{suggest(str(unknown[0]), allowed)} A constant mapping that has such keys is written {{literal: ...}}."
        )
        return Constant(None)
    if kind == "choice":
        return _parse_choice(raw["choice"], key, problems)
    return _parse_number(kind, raw, key, problems)


def _parse_tree(raw: Mapping[Any, Any], key: str, problems: list[str]) -> Tree:
    nodes: dict[str, Node] = {}
    for name, value in raw.items():
        if _is_good_name(name, key, "key", problems):
            nodes[name] = _parse(value, f"{key}.{name}", problems)
    return Tree(nodes)


def _is_good_name(name: Any, key: str, what: str, problems: list[str]) -> bool:
    """Whether a key of a mapping can be part of a parameter's name."""
    if isinstance(name, bool):
        problems.append(
            f"{key}: YAML reads the {what} {'yes/on/true' if name else 'no/off/false'} as {name}; put it in quotes."
        )
    elif not isinstance(name, str):
        problems.append(f"{key}: got the {what} {name!r}, a {type(name).__name__}; it takes a name; put it in quotes.")
    elif not name or "." in name:
        problems.append(f"{key}: got the {what} {name!r}; a name is not empty and has no dot.")
    else:
        return True
    return False


def _parse_choice(raw: Any, key: str, problems: list[str]) -> Node:
    if not isinstance(raw, Mapping | list | tuple):
        problems.append(f"{key}.choice: got {raw!r}; it takes a list of values or a mapping of named options.")
        return Constant(None)
    if not raw:
        problems.append(f"{key}.choice: is empty; it takes at least one value or option.")
        return Constant(None)
    if isinstance(raw, Mapping):
        return Options(
            {
                name: _parse(fragment, f"{key}.choice.{name}", problems)
                for name, fragment in raw.items()
                if _is_good_name(name, f"{key}.choice", "option name", problems)
            }
        )
    for i, value in enumerate(raw):
        if not (value is None or isinstance(value, str | bool | int | float)):
            problems.append(
                f"{key}.choice.{i}: got {value!r}; a list of choices holds plain values. Name what is more than that: "
                f"{{choice: {{some_name: {value!r}, ...}}}}."
            )
        elif isinstance(value, float) and not math.isfinite(value):
            problems.append(f"{key}.choice.{i}: got {value!r}; it takes finite numbers.")
        elif value in raw[:i]:
            problems.append(f"{key}.choice: has {value!r} twice.")
    return Choice(tuple(raw))


def _parse_number(kind: str, raw: Mapping[str, Any], key: str, problems: list[str]) -> Node:
    """Parses `{float: ...}` or `{int: ...}`."""
    bounds, log, step = raw[kind], raw.get("log", False), raw.get("step")
    found = list(_check_number(kind, bounds, log, step, key))
    problems.extend(found)
    if found:
        return Constant(None)
    low, high = bounds
    if kind == "float":
        return Float(float(low), float(high), log, None if step is None else float(step))
    return Int(int(low), int(high), log, 1 if step is None else int(step))


def _check_number(kind: str, bounds: Any, log: Any, step: Any, key: str) -> list[str]:
    """Returns what is wrong with a numeric domain."""
    what = "two numbers" if kind == "float" else "two whole numbers"
    if not (isinstance(bounds, list | tuple) and len(bounds) == 2 and all(_is_number(b, kind) for b in bounds)):
        return [f"{key}.{kind}: got {bounds!r}; it takes {what}, [low, high]."]
    low, high = bounds
    problems = []
    if low > high:
        problems.append(f"{key}.{kind}: got [{low}, {high}]; low is above high.")
    if not isinstance(log, bool):
        problems.append(f"{key}.log: got {log!r}; it takes true or false.")
    elif log and low <= 0:
        problems.append(f"{key}.{kind}: got [{low}, {high}] with log: true; a logarithm needs low > 0.")
    if step is None or problems:
        return problems
    if not _is_number(step, kind) or step <= 0:
        return [f"{key}.step: got {step!r}; it takes a positive {'number' if kind == 'float' else 'whole number'}."]
    if log:
        return [f"{key}.step: got {step!r} with log: true; it takes one of the two."]
    # In decimals, as they are written: 0.8 + 19 * 0.01 is 0.99 there and not quite so in binary.
    rest = (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step))
    if rest:
        return [f"{key}.step: steps of {step} from {low} do not reach {high}; the last is {Decimal(str(high)) - rest}."]
    return []


def _is_number(value: Any, kind: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and (kind == "float" or value == int(value))
