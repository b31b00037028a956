"""`space.PATH=VALUE` and `~space.PATH` of the command line, applied to the overlay before it is parsed.

VALUE replaces the node at PATH whole (Hydra would merge `{choice: ...}` into a `{float: ...}`). The name of an option
pins the option. PATH may name an option with or without the word `choice` before it, as in the names of parameters.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.errors import ConfigError, suggest
from sesemi_search.config.explain import explain
from sesemi_search.config.overrides import SpaceOverride

__all__ = ["override_space"]


def override_space(raw: Any, overrides: Sequence[SpaceOverride]) -> dict[str, Any]:
    """Returns the overlay with overrides applied, in order.

    Raises:
        ConfigError: A path to delete that is not there, one that leads through a value, an overlay that is no mapping,
            or an interpolation that is none.
    """
    if not isinstance(raw, Mapping):
        raise ConfigError(f"space: got {raw!r}; it takes a mapping, the experiment's own tree with domains as values.")
    space = copy.deepcopy(dict(raw))
    for override in overrides:
        _apply(space, override)
    try:
        OmegaConf.create({"space": space})
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error)) from error
    return space


def _apply(space: dict[str, Any], override: SpaceOverride) -> None:
    key = ".".join(("space", *override.path))
    parent: Any = space
    for part in override.path[:-1]:
        parent = _descend(parent, part, key, create=not override.delete)
    last = override.path[-1]
    holder = _options(parent) if last in (_options(parent) or ()) else parent
    if override.delete:
        if not isinstance(holder, dict) or last not in holder:
            known = _options(parent) or (holder if isinstance(holder, dict) else {})
            raise _missing(key, last, known)
        del holder[last]
    elif not isinstance(holder, dict):
        raise ConfigError(f"{key}: leads through {holder!r}, which is a value and has no keys.")
    else:
        options = _options(holder.get(last))
        pinned = isinstance(override.value, str) and options is not None
        if pinned and options is not None:
            if override.value not in options:
                near = suggest(override.value, options)
                raise ConfigError(
                    f"{key}: got {override.value!r}; the options are {', '.join(map(str, options))}.{near}"
                )
            holder[last] = options[override.value]
        else:
            holder[last] = override.value


def _descend(node: Any, part: str, key: str, create: bool) -> Any:
    """Returns the child of a node; where there is none, a new mapping when `create`."""
    options = _options(node)
    if options is not None and part in options:
        return options[part]
    if not isinstance(node, dict):
        raise ConfigError(f"{key}: leads through {node!r}, which is a value and has no keys.")
    if part not in node:
        if not create:
            raise _missing(key, part, node)
        node[part] = {}
    return node[part]


def _missing(key: str, part: str, known: Mapping[str, Any]) -> ConfigError:
    names = [str(name) for name in known]
    there_are = ", ".join(names) or "nothing"
    return ConfigError(f"~{key}: the space has no {part!r} there; it has {there_are}.{suggest(part, names)}")


def _options(node: Any) -> dict[str, Any] | None:
    """Returns the named options of a choice, None for any other node."""
    options = node.get("choice") if isinstance(node, dict) else None
    return options if isinstance(options, dict) else None
