"""What plain values a key of the schema or an argument of a target takes, as far as its annotation says so plainly.

Plain is `int`, `float`, `bool`, `str`, an enum, and a union of these with each other or None; also written as a string.
Of anything else nothing is said: the target itself knows best.
"""

import inspect
import re
from collections.abc import Callable
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

__all__ = ["argument_annotations", "describe_plain", "element_annotation", "is_plain_value", "plain_types"]

_NAMES: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "None": NoneType}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "null"}


def plain_types(annotation: Any) -> frozenset[type] | None:
    """Returns the types that an annotation lists, None where it is not plain."""
    if annotation is None:
        return frozenset({NoneType})
    if isinstance(annotation, str):
        return _read(annotation)
    if get_origin(annotation) in (Union, UnionType):
        members = [plain_types(member) for member in get_args(annotation)]
        return frozenset().union(*members) if None not in members else None  # type: ignore[arg-type]
    if isinstance(annotation, type) and (annotation in _WORDS or issubclass(annotation, Enum)):
        return frozenset({annotation})
    return None


def element_annotation(annotation: Any) -> Any:
    """Returns what annotates the elements of a list, Any where that is not said, None of what is plainly no list."""
    if get_origin(annotation) is list:
        return get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return next((found for member in get_args(annotation) if (found := element_annotation(member))), None)
    return None if plain_types(annotation) is not None else Any


def argument_annotations(function: Callable[..., Any]) -> dict[str, Any]:
    """Returns the annotation of each argument of a function or class; one whose default is None takes null too."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    annotations = {}
    for p in parameters:
        types = plain_types(p.annotation)
        default = () if p.default is not None else (None,)
        annotations[p.name] = Any if types is None else Union[(*types, *default)]
    return annotations


def is_plain_value(types: frozenset[type], value: Any) -> bool:
    """Whether a value is of one of the types; a whole number is also a number, true and false are none."""
    if isinstance(value, str) and any(value in each.__members__ for each in types if issubclass(each, Enum)):
        return True
    return type(value) in types or (type(value) is int and float in types)


def describe_plain(types: frozenset[type]) -> str:
    """Says what values are allowed."""
    enums = [", ".join(each.__members__) for each in types if issubclass(each, Enum)]
    words = [word for each, word in _WORDS.items() if each in types]
    return " or ".join([*(f"one of {names}" for names in enums), *words])


def _read(text: str) -> frozenset[type] | None:
    """Reads an annotation that is a string, as all are below `from __future__ import annotations`."""
    text = text.replace("typing.", "").replace(" ", "").strip("'\"")
    if match := re.fullmatch(r"Optional\[(.*)\]", text):
        text = f"{match[1]}|None"
    elif match := re.fullmatch(r"Union\[(.*)\]", text):
        text = match[1].replace(",", "|")
    names = text.split("|")
    return frozenset(_NAMES[name] for name in names) if all(name in _NAMES for name in names) else None
