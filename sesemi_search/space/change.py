"""A space with other domains at some of its parameters."""

from collections.abc import Mapping

from sesemi_search.space.domains import Entries, Listing, Node, Options, Tree
from sesemi_search.space.space import join

__all__ = ["change_space"]


def change_space(root: Tree, changes: Mapping[str, Node]) -> Tree:
    """Returns a space in which other nodes have the places of some parameters.

    Args:
        root: The space.
        changes: The nodes, by full name; a choice with fewer options may have changes inside of those that it keeps.
    """
    changed = _change(root, "", changes)
    assert isinstance(changed, Tree)
    return changed


def _change(node: Node, name: str, changes: Mapping[str, Node]) -> Node:
    node = changes.get(name, node)
    match node:
        case Tree() | Options():
            return type(node)({part: _change(child, join(name, part), changes) for part, child in node.nodes.items()})
        case Entries():
            return Entries({i: _change(child, join(name, str(i)), changes) for i, child in node.nodes.items()})
        case Listing():
            return Listing(tuple(_change(child, join(name, str(i)), changes) for i, child in enumerate(node.nodes)))
        case _:
            return node
