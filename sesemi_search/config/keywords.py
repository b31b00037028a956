"""Configs as Python has them, written as the overrides of a command line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from sesemi_search.errors import ConfigError

__all__ = ["write_overrides"]

# Texts that Hydra reads as texts without quotes.
_PLAIN = re.compile(r"(?!(?:null|true|false|inf|nan)$)[a-z_/][\w./-]*", re.IGNORECASE | re.ASCII)


def write_overrides(config: Mapping[str, Any]) -> list[str]:
    """Returns `KEY=VALUE` for each value of a config.

    Mappings within it are sections, whose keys are joined by dots, unless they have a `_target_`: such a node is given
    whole. So is what stands at `space.PATH`.

    Raises:
        ConfigError: A value that YAML cannot hold.
    """
    return [f"{key}={_write(key, value)}" for key, value in _leaves(config, "")]


def _leaves(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        key = f"{prefix}{name}"
        is_section = isinstance(value, Mapping) and value and "_target_" not in value
        if is_section and not key.startswith("space."):
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _write(key: str, value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Enum():
            return value.name
        case int():
            return int.__repr__(value)
        case float():
            return float.__repr__(value)  # of NumPy's too
        case str() | Path():
            text = str(value)
            return text if _PLAIN.fullmatch(text) else QuotedString(text, Quote.single).with_quotes()
        case Mapping():
            return "{" + ", ".join(f"{name}: {_write(key, child)}" for name, child in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(_write(key, child) for child in value) + "]"
    raise ConfigError(key, f"got {value!r}; a config holds numbers, texts, lists, mappings and None.")
