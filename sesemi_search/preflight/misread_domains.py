"""What was meant for a domain and is none: a mapping or a list of a space where the experiment has one plain value.

A mapping that has no key of a domain is a piece of config to the language, a list is a list. Over a number, a bool or a
string neither can be one, so the message says how the domain is written.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

from sesemi_search.errors import suggest
from sesemi_search.space.domains import Constant, Domain, Listing, Node, Tree
from sesemi_search.space.parse import DOMAIN_KEYS
from sesemi_search.space.space import children

__all__ = ["describe_list", "describe_mapping", "holds_domain", "scalar_defaults", "takes_container"]

_CONTAINERS = re.compile(r"\b(list|tuple|set|dict|sequence|iterable|collection|mapping|ndarray)\b", re.IGNORECASE)
# Words of W&B, Ray Tune, Optuna, Hyperopt and Hydra's sweepers, and what is written here. The first that is found
# counts: of W&B's {distribution: log_uniform_values, min: ..., max: ...} the distribution.
_LOG, _FLOAT, _INT = "{float: [low, high], log: true}", "{float: [low, high]}", "{int: [low, high]}"
_ELSEWHERE = {
    **dict.fromkeys(("loguniform", "log_uniform", "log_uniform_values", "suggest_loguniform"), _LOG),
    **dict.fromkeys(("quniform", "q_uniform"), "{float: [low, high], step: ...}"),
    **dict.fromkeys(("randint", "int_uniform", "range"), _INT),
    "uniform": _FLOAT,
    **dict.fromkeys(("values", "categorical", "options", "grid_search", "grid"), "{choice: [...]}"),
    **dict.fromkeys(("min", "max", "low", "high", "lower", "upper"), f"{_FLOAT} or {_INT}"),
    "value": "the value itself, without a mapping",
}


def describe_mapping(node: Tree, there: str) -> str:
    """Says that a mapping is no domain, and which was meant.

    Args:
        node: The mapping.
        there: What it cannot lie over, a sentence.
    """
    names = list(node.nodes)
    distribution = node.nodes.get("distribution")
    words = [*names, str(distribution.value)] if isinstance(distribution, Constant) else names
    return (
        f"got a mapping with the key{'s' * (len(names) != 1)} {', '.join(names)}; a domain has float, int or choice."
        f"{_hint([word.lower() for word in words])} {there}"
    )


def describe_list(node: Listing, there: str, types: frozenset[type]) -> str:
    """Says that a list is no domain, and how one is written.

    Args:
        node: The list.
        there: What cannot be a list, a sentence.
        types: What may be there.
    """
    values = [child.value for child in node.nodes if isinstance(child, Constant)]
    if len(values) < len(node.nodes):
        return f"got a list; {there}"
    is_int = float not in types and all(isinstance(value, int) for value in values)
    range_of = f", or {_INT if is_int else _FLOAT} for what lies between," if types & {int, float} else ""
    shown = ", ".join(map(str, values))
    return f"got a list, [{shown}]; write {{choice: [{shown}]}}{range_of} to search it. {there}"


def holds_domain(node: Node) -> bool:
    """Whether a node is a domain or has one inside."""
    return isinstance(node, Domain) or any(holds_domain(child) for _, child in children(node))


def scalar_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Returns the numbers, bools and strings that the arguments of a function or class are by default."""
    return {p.name: p.default for p in _parameters(function) if isinstance(p.default, int | float | str)}


def takes_container(function: Callable[..., Any]) -> set[str]:
    """Returns the arguments of a function or class whose annotation names a list, a mapping or the like."""
    return {p.name for p in _parameters(function) if _CONTAINERS.search(str(p.annotation))}


def _parameters(function: Callable[..., Any]) -> Iterable[inspect.Parameter]:
    try:
        return inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()


def _hint(words: list[str]) -> str:
    for word, here in _ELSEWHERE.items():
        if word in words:
            return f" {word!r} is written {here} here."
    return next((found for word in words if (found := suggest(word, DOMAIN_KEYS))), "")
