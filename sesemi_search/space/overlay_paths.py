"""Where a space writes what a trial has at a key of its config: the way back from a sample to the overlay."""

from collections.abc import Mapping
from typing import Any

from sesemi_search.space.domains import Choice, Entries, Node, Options, Tree
from sesemi_search.space.space import Space, children, join

__all__ = ["find_condition", "find_place"]


def find_place(space: Space, params: Mapping[str, Any], key: str) -> str:
    """Returns the dotted key in the space, `space.` included, that decides a key of a trial's config.

    A chosen option is in it, and so is the place of a chosen value: `space.head.choice.linear.dropout`. An argument
    that nothing sets belongs to the `_target_` that lacks it. Of what is the experiment's own, the key is returned.

    Args:
        space: The space.
        params: The trial's parameters, by full name.
        key: Dotted key of the trial's config.
    """
    node: Node = space.root
    name, place, is_option = "", "space", False
    parts = key.split(".")
    for i in range(len(parts) + 1):
        while isinstance(node, Options):
            option = params[name]
            node, name, place, is_option = node.nodes[option], join(name, option), f"{place}.choice.{option}", True
        if i == len(parts):
            break
        child = dict(children(node)).get(parts[i])
        if child is None:
            return join(place, *parts[i:]) if isinstance(node, Tree) and _replaces(node) else key
        node, name, place = child, join(name, parts[i]), join(place, parts[i])
    if isinstance(node, Choice):
        return f"{place}.choice.{node.values.index(params[name])}"
    return place if _replaces(node) or is_option else key


def _replaces(node: Node) -> bool:
    """Whether a node of a space stands in the place of the experiment's, and does not merge into it."""
    return "_target_" in node.nodes if isinstance(node, Tree) else not isinstance(node, Entries)


def find_condition(space: Space, place: str) -> dict[str, str]:
    """Returns the options that a place in the space is inside of, by the names of their choices; none of one outside.

    Args:
        space: The space.
        place: Dotted key in the space, `space.` and the word `choice` included.
    """
    node: Node = space.root
    name, condition = "", dict[str, str]()
    parts = place.split(".")[1:]
    while parts:
        if isinstance(node, Options):
            _, *parts = parts  # the word
        child = dict(node.nodes if isinstance(node, Options) else children(node)).get(parts[0]) if parts else None
        if child is None:
            break
        if isinstance(node, Options):
            condition[name] = parts[0]
        node, name, parts = child, join(name, parts[0]), parts[1:]
    return condition
