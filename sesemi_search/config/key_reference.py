"""What the keys of the schema are, for people: rows for `--help`, and the page `docs/keys.md`.

The meaning of a key is its line in the docstring of the section that has it, its default and its range are the
schema's; nothing is said here that is not said there. The page is written by `python -m
sesemi_search.config.key_reference > docs/keys.md`.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from omegaconf import MISSING

from sesemi_search.config.annotations import describe_plain, plain_types
from sesemi_search.config.keys import Key
from sesemi_search.config.schema import OPEN_NODES, SearchExperimentConfig
from sesemi_search.console import print_text

__all__ = ["KeyRow", "describe_keys", "reference_page"]

_PAGE_HEAD = """\
# Keys

Every key of a config, with its default and its meaning; made from `sesemi_search/config/schema.py`. On the command
line a key is set by `KEY=VALUE`. A key marked *open* holds a `_target_` and its arguments, the keys of which are
those of the class that it names. A key marked *changeable* may have another value when a search goes on (`resume`). A
key without a default has to be set by a config, by the space or on the command line. `sesemi-search VERB --help`
shows the keys of a verb.
"""


@dataclass(frozen=True)
class KeyRow:
    """A key for people.

    Attributes:
        key: Its dotted name.
        default: Its default as it is written in YAML; "" where there is none.
        takes: What it takes; "" of an open one.
        meaning: What it is.
        is_open: Whether it holds a `_target_`.
        is_changeable: Whether a search that goes on may have another value than it began with.
    """

    key: str
    default: str
    takes: str
    meaning: str
    is_open: bool
    is_changeable: bool


def describe_keys(schema: type, prefix: str = "", is_changeable: bool = False) -> Iterator[KeyRow]:
    """Yields a row for each key of a schema that holds a value, in the order of the schema.

    Args:
        schema: A section of the schema, or the whole.
        prefix: The dotted key that the section is at, with a dot at its end.
        is_changeable: Whether all of the section is.
    """
    meanings = _read_attributes(schema)
    for each in fields(schema):
        dotted, known = f"{prefix}{each.name}", each.metadata.get(Key, Key())
        changeable = is_changeable or known.is_changeable
        if isinstance(each.type, type) and is_dataclass(each.type):
            yield from describe_keys(each.type, f"{dotted}.", changeable)
            continue
        types = plain_types(each.type)
        takes = known.takes or (describe_plain(types) if types else "")
        yield KeyRow(dotted, _default(each), takes, meanings[each.name], dotted in OPEN_NODES, changeable)


def _read_attributes(section: type) -> dict[str, str]:
    """Returns what the docstring of a section says of each of its keys."""
    _, _, text = inspect.cleandoc(section.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    return {name: " ".join(meaning.split()) for name, meaning in entries}


def _default(field: Field[Any]) -> str:
    value = field.default if field.default_factory is NO_DEFAULT else field.default_factory()
    if isinstance(value, Enum):
        value = value.name
    if value == MISSING:
        return ""
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def reference_page() -> str:
    """Returns the text of `docs/keys.md`."""
    lines = [_PAGE_HEAD.rstrip("\n")]
    section = ""
    for row in describe_keys(SearchExperimentConfig):
        if (top := row.key.partition(".")[0]) != section:
            section = top
            lines += ["", f"## `{section}`", "", "| key | default | meaning |", "|---|---|---|"]
        lines.append(_page_row(row))
    return "\n".join(lines) + "\n"


def _page_row(row: KeyRow) -> str:
    marks = [word for word, holds in (("open", row.is_open), ("changeable", row.is_changeable)) if holds]
    words = f"*{', '.join(marks)}*: " if marks else ""
    takes = f" It takes {row.takes}." if row.takes else ""
    default = f"`{row.default}`" if row.default else ""
    cells = (f"`{row.key}`", default, f"{words}{row.meaning}{takes}")
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    print_text(reference_page().rstrip("\n"))
