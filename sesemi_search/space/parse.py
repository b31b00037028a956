"""From the plain containers of a YAML overlay to a space, with every mistake found on the way.

The syntax is `{float: [low, high]}`, `{int: [low, high]}`, `{choice: [...]}`, `{choice: {name: fragment, ...}}` and,
for a constant that looks like one of these, `{literal: ...}`. A mapping whose keys are whole numbers holds entries of a
list: `{1: ...}`.
"""

import math
from collections.abc import Mapping
from typing import Any

from sesemi_search.errors import Problem, raise_problems, suggest
from sesemi_search.space.domains import Choice, Constant, Entries, Listing, Node, Options, Tree
from sesemi_search.space.numbers import parse_number

__all__ = ["DOMAIN_KEYS", "LITERAL", "parse_space", "scan_space"]

DOMAIN_KEYS = {"float": {"float", "log", "step"}, "int": {"int", "log", "step"}, "choice": {"choice"}}
LITERAL = "literal"
_SCALARS = (str, bool, int, float, type(None))


def parse_space(raw: Any) -> Tree:
    """Returns the space that an overlay describes.

    Args:
        raw: Plain containers, interpolations unresolved.

    Raises:
        ConfigError: With all the mistakes, each by its dotted key.
    """
    tree, problems = scan_space(raw)
    raise_problems(problems)
    return tree


def scan_space(raw: Any) -> tuple[Tree, list[Problem]]:
    """Returns what there is of a space and what is wrong with the rest; a node that is none is null in it."""
    if not isinstance(raw, Mapping) or not raw:
        return Tree({}), [
            Problem("space", f"got {raw!r}; it takes a mapping, the experiment's own tree with domains as values.")
        ]
    problems: list[Problem] = []
    try:
        node = _parse(raw, "space", problems)
    except RecursionError:
        return Tree({}), [Problem("space", "is nested too deeply, or a YAML anchor in it contains itself.")]
    if isinstance(node, Tree):
        return node, problems
    what = "the entries of a list" if isinstance(node, Entries) else "one domain"
    where = "domains belong at the keys of the experiment, space.learner... and so on."
    return Tree({}), problems or [Problem("space", f"is {what}; {where}")]


def _parse(raw: Any, key: str, problems: list[Problem]) -> Node:
    """Parses one node; what is wrong goes to `problems`."""
    if isinstance(raw, list | tuple):
        return Listing(tuple(_parse(item, f"{key}.{i}", problems) for i, item in enumerate(raw)))
    if not isinstance(raw, Mapping):
        return Constant(raw)
    if set(raw) == {LITERAL}:
        return Constant(raw[LITERAL])
    kind = next((kind for kind in DOMAIN_KEYS if kind in raw), None)
    if kind is None or "_target_" in raw:
        return _parse_tree(raw, key, problems)
    unknown = [name for name in raw if name not in DOMAIN_KEYS[kind]]
    if unknown:
        allowed = sorted(DOMAIN_KEYS[kind] - {kind})
        takes = ", ".join(allowed) or "nothing else"
        problems.append(
            Problem(
                key,
                f"got the key {unknown[0]!r} beside {kind!r}; a {kind} domain takes {takes}."
                f"{suggest(str(unknown[0]), allowed)} A constant mapping that has such keys is written "
                "{literal: ...}.",
            )
        )
        return Constant(None)
    if kind == "choice":
        return _parse_choice(raw["choice"], key, problems)
    return parse_number(kind, raw, key, problems)


def _parse_tree(raw: Mapping[Any, Any], key: str, problems: list[Problem]) -> Tree | Entries:
    if any(_is_place(name) for name in raw):
        return _parse_entries(raw, key, problems)
    nodes: dict[str, Node] = {}
    for name, value in raw.items():
        if _is_good_name(name, key, "key", problems):
            nodes[name] = _parse(value, f"{key}.{name}", problems)
    return Tree(nodes)


def _parse_entries(raw: Mapping[Any, Any], key: str, problems: list[Problem]) -> Entries:
    nodes: dict[int, Node] = {}
    for name, value in raw.items():
        if not _is_place(name):
            problems.append(
                Problem(
                    f"{key}.{name}",
                    f"got the key {name!r} beside whole numbers; a mapping has names for keys, or places in "
                    "a list. A name of digits is written in quotes, and so are all beside it.",
                )
            )
        elif name < 0:
            problems.append(Problem(f"{key}.{name}", f"got the place {name}; the places in a list are counted from 0."))
        else:
            nodes[name] = _parse(value, f"{key}.{name}", problems)
    return Entries(nodes)


def _is_place(name: Any) -> bool:
    return isinstance(name, int) and not isinstance(name, bool)


def _is_good_name(name: Any, key: str, what: str, problems: list[Problem]) -> bool:
    """Whether a key of a mapping can be part of a parameter's name."""
    if isinstance(name, bool):
        written = "yes/on/true" if name else "no/off/false"
        problems.append(Problem(f"{key}.{name}", f"YAML reads the {what} {written} as {name}; put it in quotes."))
    elif not isinstance(name, str):
        problems.append(
            Problem(f"{key}.{name}", f"YAML reads the {what} {name!r} as {type(name).__name__}; put it in quotes.")
        )
    elif not name or "." in name:
        problems.append(Problem(key, f"got the {what} {name!r}; a name is not empty and has no dot."))
    else:
        return True
    return False


def _parse_choice(raw: Any, key: str, problems: list[Problem]) -> Node:
    if not isinstance(raw, Mapping | list | tuple):
        problems.append(
            Problem(f"{key}.choice", f"got {raw!r}; it takes a list of values or a mapping of named options.")
        )
        return Constant(None)
    if not raw:
        problems.append(Problem(f"{key}.choice", "is empty; it takes at least one value or option."))
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
        if not isinstance(value, _SCALARS):
            problems.append(
                Problem(
                    f"{key}.choice.{i}",
                    f"got {value!r}; a list of choices holds plain values. Name what is more than that: "
                    f"{{choice: {{some_name: {value!r}, ...}}}}.",
                )
            )
        elif isinstance(value, float) and not math.isfinite(value):
            problems.append(Problem(f"{key}.choice.{i}", f"got {value!r}; it takes finite numbers."))
        elif any(isinstance(other, _SCALARS) and other == value for other in raw[:i]):
            problems.append(Problem(f"{key}.choice.{i}", f"has {value!r} twice."))
    return Choice(tuple(raw))
