"""How files and overrides lie over each other in a composed config: which wrote each key last, and at which line.

Hydra composes the values. Here the layers are laid once more, as YAML with marks, for what Hydra does not tell: where a
key was written, and what an open node holds for the class that it has in the end.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.types import Override
from omegaconf import MISSING, DictConfig, OmegaConf

from sesemi_search.config.schema import OPEN_NODES
from sesemi_search.config.targets import is_other_class
from sesemi_search.config.yaml_text import yaml_loader
from sesemi_search.formatting import format_path

__all__ = ["COMMAND_LINE", "LaidNode", "Source", "lay", "replace_nodes"]

COMMAND_LINE = "command line"
_TARGET, _CHOICE, _SPACE = "_target_", "choice", "space"


@dataclass(frozen=True)
class Source:
    """A YAML file that takes part in a config; `package` is the dotted key that its content goes to."""

    file: Path
    package: str


@dataclass
class LaidNode:
    """One node of a config: where it was written, and what is below it.

    Attributes:
        where: File and line, or the command line.
        children: What is below a mapping or a list, by key or by place.
        value: One value; Ellipsis of a mapping or a list.
        is_list: Whether it is a list.
        num_layers: Layers that wrote some of the children.
        is_replaced: Whether it stands in the place of a node of another class.
    """

    where: str
    children: dict[str, "LaidNode"] = field(default_factory=dict)
    value: Any = ...
    is_list: bool = False
    num_layers: int = 1
    is_replaced: bool = False

    def step(self, part: str) -> "LaidNode | None":
        """Returns a child; of a choice, the option of that name, or the one option that has such a child."""
        if part in self.children:
            return self.children[part]
        options = self.children[_CHOICE].children if _CHOICE in self.children else {}
        if part in options:
            return options[part]
        inside = [option.children[part] for option in options.values() if part in option.children]
        return inside[0] if len(inside) == 1 else None

    def follow(self, parts: Sequence[str]) -> "LaidNode | None":
        """Returns the node at a path, or that of the target which lacks the last part of it."""
        node = self
        for i, part in enumerate(parts):
            if (whole := ".".join(parts[i:])) in node.children:  # the name of a parameter, which is one key
                return node.children[whole]
            child = node.step(part)
            if child is None:
                return node if i == len(parts) - 1 and _TARGET in node.children else None
            node = child
        return node

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return self.value is ... and not self.is_list

    @property
    def target(self) -> Any:
        """The dotted path of the class that a node names."""
        return self.children[_TARGET].value if _TARGET in self.children else None

    @property
    def address(self) -> str | None:
        """Where it was written, None where it is a mapping that several layers have filled."""
        if self.num_layers == 1:
            return self.where
        return self.children[_TARGET].where if _TARGET in self.children else None


def lay(sources: Iterable[Source], overrides: Sequence[Override]) -> LaidNode:
    """Lays files and overrides over each other as they are in a config.

    Args:
        sources: The files, a later one over those before it. One that cannot be read ends them, as it ends Hydra, whose
            message it is.
        overrides: The command line, over all of them.
    """
    root = LaidNode("")
    try:
        for source in sources:
            _merge(root, _wrap(_read(source.file), source.package))
    except Exception:
        pass  # of one of the many ways in which a file is broken; what was read counts
    for override in overrides:
        _override(root, override)
    return root


def replace_nodes(config: DictConfig, root: LaidNode) -> None:
    """Takes out of open nodes the arguments of a class that another has replaced.

    Hydra merges, so AdamW's `_target_` over SGD's node would inherit `nesterov`. Here a mapping whose `_target_` is
    another replaces the node, as in a space; one of the same class, or with no `_target_`, merges as ever.

    Args:
        config: What Hydra composed; changed in place.
        root: The layers that it was composed of.
    """
    for key in OPEN_NODES:
        node = root.follow(key.split("."))
        if node is not None and node.is_replaced:
            parent, _, name = key.rpartition(".")
            section: Any = OmegaConf.to_container(OmegaConf.select(config, parent))
            OmegaConf.update(config, key, _content(node, section[name]), merge=False)


def _content(node: LaidNode, merged: Any) -> Any:
    """Returns a node as plain containers.

    Hydra's own value is not to be had: it merges into the files that it keeps, so one that it meets twice is another
    the second time. A key of a mapping has its type there: YAML's may be a number.
    """
    if node.is_list:
        return [_content(child, None) for child in node.children.values()]
    if not node.is_mapping:
        return node.value
    known = merged if isinstance(merged, dict) else {}
    names = {str(name): name for name in known}
    return {names.get(n, n): _content(child, known.get(names.get(n, n))) for n, child in node.children.items()}


def _read(file: Path) -> LaidNode:
    """Reads the keys of a YAML file with their lines."""
    loader = yaml_loader()(file.read_text(encoding="utf-8"))
    shown = format_path(file)
    try:
        return _laid(loader, loader.get_single_node(), str(shown), 0)
    finally:
        loader.dispose()


def _laid(loader: Any, node: yaml.Node | None, file: str, line: int) -> LaidNode:
    laid = LaidNode(f"{file}, line {line + 1}")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = _laid(loader, value, file, key.start_mark.line)
            if key.tag == "tag:yaml.org,2002:merge":
                merged = list(inner.children.values()) if inner.is_list else [inner]
                for each in merged:
                    laid.children = {**each.children, **laid.children}
            else:
                laid.children[str(loader.construct_object(key))] = inner
    elif isinstance(node, yaml.SequenceNode):
        laid.is_list = True
        for i, item in enumerate(node.value):
            laid.children[str(i)] = _laid(loader, item, file, item.start_mark.line)
    elif node is not None:
        laid.value = loader.construct_object(node)
    return laid


def _wrap(laid: LaidNode, package: str) -> LaidNode:
    """Puts the content of a file below its package."""
    for part in reversed(package.split(".") if package else []):
        laid = LaidNode(laid.where, {part: laid})
    return laid


def _merge(into: LaidNode, new: LaidNode, key: str = "") -> None:
    """Merges as a config is: mappings key by key, all else whole, and an open node that has another class."""
    for name, child in new.children.items():
        known = into.children.get(name)
        below = f"{key}.{name}" if key else name
        if known is not None and child.value == MISSING:
            continue
        if known is None or not (known.is_mapping and child.is_mapping):
            into.children[name] = child
        elif below in OPEN_NODES and is_other_class(known.target, child.target):
            child.is_replaced = True
            into.children[name] = child
        else:
            known.num_layers += 1
            _merge(known, child, below)


def _override(root: LaidNode, override: Override) -> None:
    """Does to the layers what an override does to the config."""
    *path, last = override.key_or_group.split(".")
    is_mapping = isinstance(override.value(), Mapping)
    if "/" in override.key_or_group or override.package is not None or not (path or is_mapping):
        return  # an option of a group, which is among the files
    node = root
    for part in path:
        node = node.step(part) or node.children.setdefault(part, LaidNode(COMMAND_LINE))
    options = node.children.get(_CHOICE)
    holder = options if options is not None and last in options.children else node
    if override.is_delete():
        holder.children.pop(last, None)
    elif path[:1] == [_SPACE]:
        holder.children[last] = _pinned(holder.children.get(last), override.value())
    else:
        _merge(holder, LaidNode("", {last: _from_command_line(override.value())}), ".".join(path))


def _pinned(known: LaidNode | None, value: Any) -> LaidNode:
    """Returns what takes the place of a node of the space; a pinned option keeps the lines of its arguments."""
    options = known.children.get(_CHOICE) if known is not None else None
    if options is not None and isinstance(value, str) and value in options.children:
        return LaidNode(COMMAND_LINE, options.children[value].children)
    return _from_command_line(value)


def _from_command_line(value: Any) -> LaidNode:
    if isinstance(value, Mapping):
        return LaidNode(COMMAND_LINE, {str(name): _from_command_line(child) for name, child in value.items()})
    if isinstance(value, list):
        items = {str(i): _from_command_line(item) for i, item in enumerate(value)}
        return LaidNode(COMMAND_LINE, items, is_list=True)
    return LaidNode(COMMAND_LINE, value=value)
