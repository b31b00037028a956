"""The experiment's own config as a point of the space, to be the first trial and the one to beat.

The value of each dimension is read at its place in the resolved experiment; an argument that is not written there has
the default of its target's signature. An option is the experiment's when its `_target_` and its constants are.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from sesemi_search.config.experiment import Written, resolve
from sesemi_search.config.targets import locate
from sesemi_search.errors import ConfigError
from sesemi_search.search.fingerprint import find_changes
from sesemi_search.space.domains import Constant, Entries, Listing, Node, Options, Tree
from sesemi_search.space.points import Outside, accept
from sesemi_search.space.space import Space, children, join

__all__ = ["find_baseline"]

_TARGET = "_target_"
_NOTHING = "???"  # as OmegaConf writes a value that is yet to be set


def find_baseline(space: Space, experiment: Written) -> dict[str, Any]:
    """Returns the parameters with which a trial is the experiment itself.

    Args:
        space: The space.
        experiment: The experiment as it is written.

    Raises:
        Outside: There are none; the text says what differs.
    """
    try:
        own = _fill(resolve(experiment))
        params: dict[str, Any] = {}
        _read(space.root, "", "", own, params)
        trial = _fill(resolve(space.apply(experiment, params)))
    except ConfigError as error:
        raise Outside(str(error)) from error
    # What the reading could not see: interpolations, and what a `_target_` of the space replaces.
    change = next(find_changes(_name_targets(own), _name_targets(trial)), None)
    if change is not None:
        raise Outside(f"{change} in a trial")
    return params


def _read(node: Node, name: str, path: str, value: Any, params: dict[str, Any]) -> None:
    """Finds the parameters of one node; `name` is that of a parameter there, `path` the place in the config."""
    match node:
        case Constant():
            if not _is_same(node.value, value):
                raise Outside(f"{path} is {_shown(value)} in the experiment and {_shown(node.value)} in every trial")
        case Options():
            _read_options(node, name, path, value, params)
        case Entries() | Listing() | Tree():
            _read_children(node, name, path, value, params)
        case _:
            if value == _NOTHING:
                raise Outside(f"the experiment has no {path}")
            try:
                params[name] = accept(node, value)
            except Outside as reason:
                raise Outside(f"{path} is {_shown(value)} in the experiment, {reason}") from None


def _read_options(node: Options, name: str, path: str, value: Any, params: dict[str, Any]) -> None:
    """Chooses the first option that can be what the experiment has."""
    near = None
    for option, child in node.nodes.items():
        inner: dict[str, Any] = {}
        try:
            _read(child, join(name, option), path, value, inner)
        except Outside as reason:
            if isinstance(child, Tree) and isinstance(value, Mapping) and _TARGET in child.nodes:
                target = child.nodes[_TARGET]
                if isinstance(target, Constant) and _is_same_target(target.value, value.get(_TARGET)):
                    near = near or reason
            continue
        params[name] = option
        params.update(inner)
        return
    what = value.get(_TARGET, value) if isinstance(value, Mapping) else value
    raise near or Outside(f"{path} is {_shown(what)} in the experiment, which is none of {', '.join(node.nodes)}")


def _read_children(node: Entries | Listing | Tree, name: str, path: str, value: Any, params: dict[str, Any]) -> None:
    parts = dict(children(node))
    if isinstance(node, Entries | Listing):
        values = {str(i): item for i, item in enumerate(value)} if isinstance(value, list) else {}
    else:
        values = dict(value) if isinstance(value, Mapping) else {}
    target = parts.get(_TARGET)
    if isinstance(target, Constant):
        if not _is_same_target(target.value, values.get(_TARGET)):
            own = values.get(_TARGET, _NOTHING)
            raise Outside(f"{path} is {_shown(own)} in the experiment and {_shown(target.value)} in every trial")
        defaults = _defaults(target.value)
        for key in values.keys() - parts.keys():
            if values[key] != defaults.get(key, _NOTHING):
                raise Outside(f"{path}.{key} is {_shown(values[key])} in the experiment and not set in a trial")
    for part, child in parts.items():
        if part != _TARGET or not isinstance(child, Constant):
            _read(child, join(name, part), join(path, part), values.get(part, _NOTHING), params)


def _is_same(constant: Any, value: Any) -> bool:
    """Whether putting a constant of the space over a value of the experiment leaves it as it is, as far as one sees."""
    if isinstance(constant, str) and "${" in constant:
        return True
    if isinstance(constant, Mapping) and isinstance(value, Mapping):
        return all(_is_same(child, value.get(key, _NOTHING)) for key, child in constant.items() if key != _TARGET)
    return bool(constant == value)


def _is_same_target(one: Any, other: Any) -> bool:
    return bool(one == other or _name_targets({_TARGET: one}) == _name_targets({_TARGET: other}))


def _fill(node: Any) -> Any:
    """Writes out the arguments that a target has by default."""
    if isinstance(node, list):
        return [_fill(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    return {**_defaults(node.get(_TARGET)), **{key: _fill(value) for key, value in node.items()}}


def _defaults(target: Any) -> dict[str, Any]:
    """Returns the plain defaults of a target's signature."""
    try:
        parameters = inspect.signature(locate(target, "")).parameters.values()
    except (ConfigError, TypeError, ValueError):  # no target, or one that does not say
        return {}
    return {
        p.name: p.default for p in parameters if p.default is None or isinstance(p.default, str | bool | int | float)
    }


def _name_targets(node: Any) -> Any:
    """Writes each target by the one name of its own, whichever name it was imported by."""
    if isinstance(node, list):
        return [_name_targets(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    named = {key: _name_targets(value) for key, value in node.items()}
    if isinstance(named.get(_TARGET), str):
        try:
            found = locate(named[_TARGET], "")
            named[_TARGET] = f"{found.__module__}.{found.__qualname__}"
        except (ConfigError, AttributeError):
            pass
    return named


def _shown(value: Any) -> str:
    return "nothing" if value == _NOTHING else str(value) if isinstance(value, str) else repr(value)
