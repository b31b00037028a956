"""`_target_` nodes: found, checked against their signature, and built.

`hydra.utils.instantiate` does the building. What this module adds is that a mistake is found before anything is built,
and that its message names the key, the class, what it takes and where it was looked for.
"""

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object
from hydra.utils import instantiate as hydra_instantiate

from sesemi_search.errors import (
    ArgumentError,
    ConfigError,
    Kind,
    Problem,
    describe_exception,
    raise_problems,
    suggest,
    user_code,
)

__all__ = [
    "accepted_arguments",
    "check_argument_names",
    "check_target",
    "instantiate",
    "is_other_class",
    "locate",
]

# What an argument is called elsewhere, too far from its name here to be a slip of the pen.
_SYNONYMS = {"learning_rate": "lr", "wd": "weight_decay"}
_HYDRA_KEYS = frozenset({"_target_", "_args_", "_partial_", "_recursive_", "_convert_"})


def locate(target: object, key: str) -> Callable[..., Any]:
    """Returns the class or function that `target` names.

    Args:
        target: Dotted path, as in `_target_`.
        key: Dotted key of the node, for the message.

    Raises:
        ConfigError: `target` is no dotted path, does not import, or is not callable.
    """
    if not isinstance(target, str) or "." not in target:
        raise ConfigError(f"{key}._target_", f"got {target!r}; it takes the dotted path of a class or function.")
    try:
        with user_code():
            found = get_object(target)
    except Exception as error:
        raise ConfigError(f"{key}._target_", _why_not_found(target, error)) from error
    if not callable(found):
        raise ConfigError(f"{key}._target_", f"{target!r} is a {type(found).__name__}, not a class or function.")
    return found  # type: ignore[no-any-return]


def is_other_class(before: object, after: object) -> bool:
    """Whether two `_target_` name two classes; a class may have two names, and an open one may yet be the other.

    Nothing is imported, which may take seconds, but what has the same last name twice, or has a name of SESEMI's.
    """
    if not isinstance(before, str) or not isinstance(after, str):
        return False
    if before == after or any(name == "???" or "${" in name for name in (before, after)):
        return False
    names = [re.sub(r"^sesemi\.", "sesemi_search.", name) for name in (before, after)]
    are_ours = all(name.startswith("sesemi_search.") for name in names)
    may_be_theirs = before.startswith("sesemi.") or after.startswith("sesemi.")
    if (are_ours and may_be_theirs) or len({name.rpartition(".")[2] for name in names}) == 1:
        try:
            with user_code():
                return get_object(names[0]) is not get_object(names[1])
        except Exception:  # of a user's module
            return True
    return True


def check_target(node: object, key: str, supplied: Iterable[str] = ()) -> list[Problem]:
    """Returns what is wrong with a `_target_` node, nested ones included.

    Args:
        node: A resolved node: a mapping with `_target_` and arguments.
        key: Dotted key of the node, for the messages.
        supplied: Names of the arguments that the program passes besides those in the node.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        return [
            Problem(
                key, f"got {node!r}; it takes a mapping with a _target_ (the dotted path of a class) and its arguments."
            )
        ]
    supplied = set(supplied)
    try:
        function = locate(node["_target_"], key)
    except ConfigError as error:
        return error.problems
    problems = [
        problem
        for name, value in node.items()
        if isinstance(value, Mapping) and "_target_" in value
        for problem in check_target(value, f"{key}.{name}")
    ]
    arguments = {str(name) for name in node} - _HYDRA_KEYS
    return problems + _check_call(function, node["_target_"], key, arguments, supplied, bool(node.get("_args_")))


def accepted_arguments(function: Callable[..., Any]) -> list[str] | None:
    """Returns the names of the keyword arguments that `function` takes; None when it takes any or does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return [
        p.name
        for p in parameters
        if p.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    ]


def check_argument_names(function: Callable[..., Any], target: str, key: str, names: Iterable[str]) -> list[Problem]:
    """Returns a problem for each name that is no argument of a function, with the one that is likely to be meant.

    Args:
        function: What `target` names.
        target: Its dotted path, for the messages.
        key: Dotted key of the node, for the messages.
        names: The keys of the node.
    """
    accepted = accepted_arguments(function)
    if accepted is None:
        return []
    return [
        Problem(
            f"{key}.{name}",
            f"{target} takes no argument {name!r}; it takes {', '.join(accepted) or 'none'}."
            f"{suggest(_SYNONYMS.get(name, name), accepted)}",
        )
        for name in sorted(set(names) - set(accepted) - _HYDRA_KEYS)
    ]


def instantiate(node: Mapping[str, Any], key: str, **supplied: Any) -> Any:
    """Builds a `_target_` node, with `supplied` as further arguments.

    Raises:
        ConfigError: `check_target` finds something, or the constructor raises.
    """
    raise_problems(check_target(node, key, supplied))
    try:
        # Without "all", lists and mappings reach the target as OmegaConf containers, and its state dict with them.
        # What is supplied never does: its nodes refer to each other, and would keep a model's parameters from being
        # freed when the model is.
        with user_code():
            build = hydra_instantiate({"_convert_": "all", **node, "_partial_": True})
            return partial(build, **supplied) if node.get("_partial_") else build(**supplied)
    except Exception as error:
        cause = error.__cause__ or error if isinstance(error, InstantiationException) else error
        raise ConfigError.of(*_explain_raised(node, key, cause)) from cause


def _explain_raised(node: Mapping[str, Any], key: str, error: BaseException) -> list[Problem]:
    """Says what a constructor raised, and with which arguments; what it found wrong itself says enough."""
    if isinstance(error, ConfigError):
        return [replace(problem, kind=Kind.construction) for problem in error.problems]
    arguments = {name: value for name, value in node.items() if name not in _HYDRA_KEYS}
    shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    what = describe_exception(error)
    if isinstance(error, ArgumentError):
        what = f"{ValueError.__name__}: {error}"  # which it is to everybody else
        key = f"{key}.{error.argument}" if error.argument in arguments else key
    target, raised = node["_target_"], f"raised {what}"
    return [Problem(key, f"{target}({shown}) {raised}", Kind.construction, reason=f"{target} {raised}")]


def _check_call(
    function: Callable[..., Any], target: str, key: str, arguments: set[str], supplied: set[str], positional: bool
) -> list[Problem]:
    """Holds the names of a call against a signature."""
    accepted = accepted_arguments(function)
    if accepted is None:
        return []
    takes = ", ".join(accepted)
    problems = check_argument_names(function, target, key, arguments)
    problems += [
        Problem(
            key,
            f"{target} does not accept {name!r}, which the program passes to it; its signature is {target}({takes}).",
        )
        for name in sorted(supplied - set(accepted))
    ]
    if not positional:
        missing = [
            p.name
            for p in inspect.signature(function).parameters.values()
            if p.default is p.empty and p.name in accepted and p.name not in arguments | supplied
        ]
        problems += [Problem(f"{key}.{name}", f"missing; {target} cannot be built without it.") for name in missing]
    return problems


def _why_not_found(target: str, error: Exception) -> str:
    """Tells a module that is not there from one that fails while it is imported and from a name it does not have."""
    parts = target.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:length])
        try:
            with user_code():
                module = importlib.import_module(module_name)
        except ModuleNotFoundError as missing:
            if missing.name is not None and (module_name == missing.name or module_name.startswith(missing.name + ".")):
                continue
            return f"{target!r} cannot be imported: {module_name} needs {missing.name!r}, which is not installed."
        except Exception as raised:
            return f"{target!r} cannot be imported: {module_name} raised {describe_exception(raised)}"
        missing_name = parts[length]
        public = [name for name in vars(module) if not name.startswith("_")]
        return (
            f"{target!r} does not exist: module {module_name} has no {missing_name!r}.{suggest(missing_name, public)}"
        )
    folders = ", ".join(path for path in sys.path if path and "site-packages" not in path and not path.endswith(".zip"))
    return (
        f"{target!r} cannot be imported: there is no module {parts[0]!r} ({type(error).__name__}). "
        f"Searched {folders} and the installed packages."
    )
