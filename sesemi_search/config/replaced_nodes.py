"""Nodes whose class was changed on the way to a composed config: without the arguments of the class before.

Hydra merges, so AdamW's `_target_` over SGD's node would inherit `nesterov`. Here a mapping whose `_target_` is another
replaces the node, as in a space; one of the same class, or with no `_target_`, merges as ever.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from sesemi_search.config.schema import OPEN_NODES
from sesemi_search.config.source_lines import Source
from sesemi_search.config.targets import is_other_class

__all__ = ["replace_nodes"]

_NODE = "node"


def replace_nodes(config: DictConfig, sources: Iterable[Source], overrides: Sequence[Override]) -> None:
    """Puts the nodes that Hydra has merged of two classes right.

    Args:
        config: What Hydra composed; changed in place.
        sources: The files, a later one over those before it.
        overrides: The command line, over all of them.
    """
    contents = [_content(source) for source in sources]
    for key in OPEN_NODES:
        holder = OmegaConf.create({})
        with suppress(InterpolationResolutionError):  # an override within what another node lends: it stays Hydra's
            files = [_lay(holder, part) for part in (_select(content, key.split(".")) for content in contents)]
            typed = [_override(holder, key, override) for override in overrides]
            if any([*files, *typed]) and _NODE in holder:
                OmegaConf.update(config, key, _node(holder), merge=False)


def _content(source: Source) -> Any:
    content = OmegaConf.to_container(OmegaConf.load(source.file))
    for part in reversed(source.package.split(".") if source.package else []):
        content = {part: content}
    return content


def _select(content: Any, path: Sequence[str]) -> Any:
    """Returns what is written at a path, Ellipsis where nothing is."""
    for part in path:
        if not isinstance(content, Mapping) or part not in content:
            return ...
        content = content[part]
    return content


def _node(holder: DictConfig) -> Any:
    """Returns the node as it is so far, plain and unresolved."""
    return _select(OmegaConf.to_container(holder), [_NODE])


def _lay(holder: DictConfig, part: Any) -> bool:
    """Lays what one place says of a node over what those before it say; returns whether it replaced that."""
    if part is ...:
        return False
    before, after = (node.get("_target_") if isinstance(node, Mapping) else None for node in (_node(holder), part))
    replaces = is_other_class(before, after)
    OmegaConf.update(holder, _NODE, part, merge=not replaces)
    return replaces


def _override(holder: DictConfig, key: str, override: Override) -> bool:
    """Does to a node what an override does to the config; returns whether it replaced the node."""
    path, value = override.key_or_group, override.value()
    if f"{key}.".startswith(f"{path}."):
        if override.is_delete():
            holder.pop(_NODE, None)
            return False
        below = key[len(path) + 1 :]
        return _lay(holder, _select(value, below.split(".") if below else []))
    if path.startswith(f"{key}."):
        inner = _NODE + path[len(key) :]
        parent, _, last = inner.rpartition(".")
        if not override.is_delete():
            OmegaConf.update(holder, inner, value, merge=True)
        elif _select({_NODE: _node(holder)}, inner.split(".")) is not ...:
            del OmegaConf.select(holder, parent)[last]
    return False
