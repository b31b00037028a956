"""A space as YAML in its own language: what is written reads back as the same space.

The tree is written in blocks, one key a line; domains and short lists in one line each.
"""

from collections.abc import Mapping
from io import StringIO
from typing import Any

import yaml

from sesemi_search.space.domains import Choice, Constant, Entries, Float, Int, Listing, Node, Options, Tree
from sesemi_search.space.parse import LITERAL

__all__ = ["to_plain", "write_space"]

_WIDTH = 100_000  # no line is broken


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes strings so that OmegaConf, which reads more of them as numbers than PyYAML does, reads them back."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Writes equal parts out, each by itself."""
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Quotes what may look like a number, and escapes what PyYAML would take for the end of a line."""
        style = "'" if text[:1] in tuple("+-.0123456789") else None
        node: yaml.ScalarNode = self.represent_scalar(
            "tag:yaml.org,2002:str", text, style='"' if set(text) & set("\x85\u2028\u2029") else style
        )
        return node


_Dumper.add_representer(str, _Dumper.represent_text)


def write_space(root: Tree) -> str:
    """Returns a space as YAML below the key `space`."""
    written = _Dumper(StringIO(), sort_keys=False).represent_data(to_plain(root))
    _lay_out(written, root)
    key = yaml.ScalarNode("tag:yaml.org,2002:str", "space")
    document = yaml.MappingNode("tag:yaml.org,2002:map", [(key, written)], flow_style=False)
    text: str = yaml.serialize(document, allow_unicode=True, width=_WIDTH)
    return text


def to_plain(node: Node) -> Any:
    """Returns the plain containers that parse to a node."""
    match node:
        case Float():
            step = {} if node.step is None else {"step": node.step}
            return {"float": [node.low, node.high], **_flag(node.log), **step}
        case Int():
            step = {} if node.step == 1 else {"step": node.step}
            return {"int": [node.low, node.high], **_flag(node.log), **step}
        case Choice():
            return {"choice": list(node.values)}
        case Options():
            return {"choice": {name: to_plain(child) for name, child in node.nodes.items()}}
        case Constant():
            return {LITERAL: node.value} if isinstance(node.value, Mapping | list | tuple) else node.value
        case Listing():
            return [to_plain(child) for child in node.nodes]
        case _:
            return {name: to_plain(child) for name, child in node.nodes.items()}


def _flag(log: bool) -> dict[str, bool]:
    return {"log": True} if log else {}


def _lay_out(written: yaml.Node, node: Node) -> None:
    """Chooses blocks or one line for a YAML node and all below it."""
    below: list[tuple[yaml.Node, Node]] = []
    match node:
        case Options():
            _, options = written.value[0]
            options.flow_style = False
            below = [(value, child) for (_, value), child in zip(options.value, node.nodes.values(), strict=True)]
        case Tree() | Entries():
            below = [(value, child) for (_, value), child in zip(written.value, node.nodes.values(), strict=True)]
        case Listing() if not all(isinstance(child, Float | Int | Choice | Constant) for child in node.nodes):
            below = list(zip(written.value, node.nodes, strict=True))
        case _:
            _flatten(written)
    if below:
        written.flow_style = False
    for value, child in below:
        _lay_out(value, child)


def _flatten(written: yaml.Node) -> None:
    if isinstance(written, yaml.CollectionNode):
        written.flow_style = True
        for item in written.value:
            for part in item if isinstance(item, tuple) else (item,):
                _flatten(part)
