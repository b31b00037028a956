"""A space as YAML in its own language: what is written reads back as the same space.

The tree is written in blocks, one key a line; domains and short lists in one line each.
"""

import textwrap
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

import yaml

from sesemi_search.space.domains import Choice, Constant, Domain, Entries, Float, Int, Listing, Node, Options, Tree
from sesemi_search.space.parse import LITERAL
from sesemi_search.space.space import children, join

__all__ = ["to_plain", "write_space"]

_WIDTH = 100_000  # no line is broken
_COMMENT_WIDTH = 118  # of comments, which are


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


def write_space(root: Tree, comments: Mapping[str, str] | None = None) -> str:
    """Returns a space as YAML below the key `space`.

    Args:
        root: The space.
        comments: Texts to stand above parameters, by full name.
    """
    written = _Dumper(StringIO(), sort_keys=False).represent_data(to_plain(root))
    _lay_out(written, root)
    key = yaml.ScalarNode("tag:yaml.org,2002:str", "space")
    document = yaml.MappingNode("tag:yaml.org,2002:map", [(key, written)], flow_style=False)
    text: str = yaml.serialize(document, allow_unicode=True, width=_WIDTH)
    return _comment(text, root, comments) if comments else text


def _comment(text: str, root: Tree, comments: Mapping[str, str]) -> str:
    lines = text.splitlines()
    (_, written), *_ = yaml.compose(text, yaml.SafeLoader).value
    # From the last line up: those above keep their numbers.
    for name, number in sorted(_find_lines(written, root, "", 0), key=lambda each: -each[1]):
        if name in comments:
            indent = " " * (len(lines[number]) - len(lines[number].lstrip(" ")))
            wrapped = textwrap.wrap(comments[name], _COMMENT_WIDTH - len(indent), break_on_hyphens=False)
            lines[number:number] = [f"{indent}# {line}" for line in wrapped]
    return "\n".join([*lines, ""])


def _find_lines(written: yaml.Node, node: Node, name: str, line: int) -> Iterator[tuple[str, int]]:
    """Yields the parameters below a node, each with the line that its YAML begins in."""
    if isinstance(node, Domain):
        yield name, line
    if isinstance(node, Options):
        (_, options), *_ = written.value
        below = [(key.start_mark.line, value) for key, value in options.value]
        parts = list(node.nodes.items())
    else:
        parts = list(children(node))
        is_list = isinstance(node, Listing)
        below = [(v.start_mark.line, v) if is_list else (v[0].start_mark.line, v[1]) for v in written.value if parts]
    for (at, value), (part, child) in zip(below, parts, strict=True):
        yield from _find_lines(value, child, join(name, part), at)


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
