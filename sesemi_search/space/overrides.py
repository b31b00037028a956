"""`space.PATH=VALUE` and `~space.PATH` of the command line, applied to the overlay before it is parsed.

VALUE replaces the node at PATH whole (Hydra would merge `{choice: ...}` into a `{float: ...}`). The name of an option
pins the option. PATH may name an option with or without the word `choice` before it, as in the names of parameters.
Digits in it are a place in a list: an entry of the space's own list, or a key of a mapping over the experiment's.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.hydra_errors import explain
from sesemi_search.config.overrides import SpaceOverride
from sesemi_search.config.sesemi_keys import rename_space
from sesemi_search.errors import ConfigError, suggest

__all__ = ["override_space"]


def override_space(raw: Any, overrides: Sequence[SpaceOverride]) -> dict[str, Any]:
    """Returns the overlay with overrides applied, in order.

    Raises:
        ConfigError: A path to delete that is not there, one that leads through a value, an overlay that is no mapping,
            an interpolation that is none, or a key under two names.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(
            "space", f"got {raw!r}; it takes a mapping, the experiment's own tree with domains as values."
        )
    space = rename_space(copy.deepcopy(dict(raw)))
    for override in overrides:
        _apply(space, override)
    space = rename_space(space)  # a value of the command line may hold the names, too
    try:
        OmegaConf.create({"space": space})
    except OmegaConfBaseException as error:
        raise ConfigError.of(explain(error)) from error
    return space


def _apply(space: dict[str, Any], override: SpaceOverride) -> None:
    key = ".".join(("space", *override.path))
    parent: Any = space
    for part in override.path[:-1]:
        parent = _descend(parent, part, key, create=not override.delete)
    last = override.path[-1]
    options = _options(parent)
    if options is not None and last in options:
        parent = options
    if override.delete:
        _delete(parent, last, key)
    else:
        place = _place(parent, last, key)
        known = _options(_get(parent, place))
        parent[place] = override.value if known is None else _pin(override.value, known, key)


def _delete(parent: Any, last: str, key: str) -> None:
    if isinstance(parent, list):
        raise ConfigError(f"~{key}", "an entry of a list cannot be dropped; write the list that is to be there.")
    known = parent if isinstance(parent, dict) else {}
    name = _key_of(last, known)
    if name not in known:
        raise _missing(key, last, _options(parent) or known)
    del parent[name]


def _pin(value: Any, options: Mapping[Any, Any], key: str) -> Any:
    """Returns what takes the place of a choice of options: that option whose name is given, or the value itself."""
    if not isinstance(value, str):
        return value
    if value not in options:
        known = list(map(str, options))
        raise ConfigError(key, f"got {value!r}; the options are {', '.join(known)}.{suggest(value, known)}")
    return options[value]


def _descend(node: Any, part: str, key: str, create: bool) -> Any:
    """Returns the child of a node; where there is none, a new mapping when `create`."""
    options = _options(node)
    if options is not None and part in options:
        return options[part]
    place = _place(node, part, key)
    if isinstance(node, dict) and place not in node:
        if not create:
            raise _missing(key, part, node)
        node[place] = {}
    return node[place]


def _place(node: Any, part: str, key: str) -> Any:
    """Returns the key of a mapping or the place in a list that a part of a path names."""
    if isinstance(node, dict):
        return _key_of(part, node)
    if not isinstance(node, list):
        raise ConfigError(key, f"leads through {node!r}, which is a value and has no keys.")
    place = _key_of(part, {})
    if not isinstance(place, int) or place >= len(node):
        raise ConfigError(key, f"got {part!r} for a place in a list; it has {len(node)} entries, the first is 0.")
    return place


def _key_of(part: str, node: Mapping[Any, Any]) -> Any:
    """Returns a part of a path as a key of a mapping: digits are a place in a list, unless the mapping has names."""
    is_place = part.isdecimal() and len(part) < 9 and not any(isinstance(name, str) for name in node)
    return int(part) if is_place else part


def _get(node: Any, place: Any) -> Any:
    return node[place] if isinstance(node, list) else node.get(place)


def _missing(key: str, part: str, known: Mapping[str, Any]) -> ConfigError:
    names = [str(name) for name in known]
    there_are = ", ".join(names) or "nothing"
    return ConfigError(f"~{key}", f"the space has no {part!r} there; it has {there_are}.{suggest(part, names)}")


def _options(node: Any) -> dict[str, Any] | None:
    """Returns the named options of a choice, None for any other node."""
    options = node.get("choice") if isinstance(node, dict) else None
    return options if isinstance(options, dict) else None
