"""What is known of a key of the schema besides its type, said once, where the schema has the key.

A field of the schema is made by `key(default, ...)`; `known_keys` gives all that was said by dotted key, and whoever
has to know whether a key may change, is shared or has a range reads it there.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

__all__ = [
    "Effect",
    "Key",
    "at_least",
    "is_name",
    "is_numbers",
    "is_positive",
    "is_text",
    "key",
    "known_keys",
    "without_keys",
]


class Effect(Enum):
    """What a key of an experiment has to do with what a trial of it measures.

    `result` decides it. `machine` says on what a trial runs: it changes last bits and is the same all through a search,
    but does not keep a trial out of another one. `none` says where files lie, how they are read, how steps are
    launched, what is measured besides.
    """

    result = "result"
    machine = "machine"
    none = "none"


@dataclass(frozen=True)
class Key:
    """Facts of one key.

    Attributes:
        takes: What the key takes, for a message; "" where its type says all.
        holds: Whether a value of the right type, neither null nor missing, is in the key's range.
        effect: What it has to do with a trial's result.
        is_shared: Whether all trials of a search have the same value: Ray gives each the same resources, and the images
            are loaded once.
        is_changeable: Whether a search that goes on may have another value than it began with.
        sesemi_name: SESEMI's newer name for it, where that is another one.
    """

    takes: str = ""
    holds: Callable[[Any], bool] | None = None
    effect: Effect = Effect.result
    is_shared: bool = False
    is_changeable: bool = False
    sesemi_name: str = ""


def key(default: Any = None, *, factory: Callable[[], Any] | None = None, **facts: Any) -> Any:
    """Returns a field of the schema with its default, or its factory of defaults, and the facts of `Key`."""
    metadata = {Key: Key(**facts)}
    return field(metadata=metadata, default_factory=factory) if factory else field(metadata=metadata, default=default)


@cache
def known_keys(schema: type) -> Mapping[str, Key]:
    """Returns the facts of every key of a schema, of its sections as well, by dotted key."""
    return dict(_walk(schema, ""))


def _walk(schema: type, prefix: str) -> Iterator[tuple[str, Key]]:
    for each in fields(schema):
        dotted = f"{prefix}{each.name}"
        yield dotted, each.metadata.get(Key, Key())
        if isinstance(each.type, type) and is_dataclass(each.type):
            yield from _walk(each.type, f"{dotted}.")


def without_keys(tree: Mapping[str, Any], left_out: Callable[[str], bool], prefix: str = "") -> dict[str, Any]:
    """Returns a tree without the dotted keys of which `left_out` is true."""
    kept = {}
    for name, value in tree.items():
        dotted = f"{prefix}{name}"
        if not left_out(dotted):
            kept[name] = without_keys(value, left_out, f"{dotted}.") if isinstance(value, Mapping) else value
    return kept


def at_least(least: float) -> Callable[[Any], bool]:
    """Returns the range from a number on."""
    return lambda value: value >= least


def is_positive(value: Any) -> bool:
    """Whether a number is above 0."""
    return bool(value > 0)


def is_text(value: Any) -> bool:
    """Whether a value is a text that is not blank: what an unset variable of a shell leaves is one."""
    return isinstance(value, str) and bool(value.strip())


def is_name(value: Any) -> bool:
    """Whether a value can name a folder inside another one."""
    return is_text(value) and value not in (".", "..") and value.isprintable() and not set(value) & set("/\\")


def is_numbers(value: Any) -> bool:
    """Whether a value is a list of finite numbers."""
    return isinstance(value, list) and all(isinstance(x, int | float) and math.isfinite(x) for x in value)
