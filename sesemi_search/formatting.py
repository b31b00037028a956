"""How values and texts read in tables and progress lines: short, and the same everywhere."""

import re
import shlex
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "align_columns",
    "escape_controls",
    "format_bytes",
    "format_count",
    "format_metric",
    "format_metrics",
    "format_params",
    "format_path",
    "format_seconds",
    "format_value",
    "mask_passwords",
    "quote_path",
    "shorten",
]


# Of a storage URL: with the user's name, or as a parameter. It may hold any character but a blank.
_PASSWORD = re.compile(r"(?<=://)[^\s'\"]*:[^\s'\"]*(?=@)|(?<=[?&]password=)[^&\s'\"]+")


def mask_passwords(text: str) -> str:
    """Returns a text with `***` for the passwords in its URLs."""
    return _PASSWORD.sub("***", text)


def escape_controls(text: str) -> str:
    r"""Returns a text with its control characters, but for line ends and tabs, as Python writes them: `\x1b`.

    Names and messages of a stranger's files would command the terminal with them. A lone surrogate is written so too.
    """
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs"):
        return character
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"


def format_value(value: Any) -> str:
    """A parameter: 3.1e-03 for a learning rate, 0.9312 for a momentum, the rest as it is."""
    if isinstance(value, bool) or not isinstance(value, float):
        return escape_controls(str(value))
    if value != 0 and not 1e-2 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:.4g}"


def format_params(params: Mapping[str, Any]) -> str:
    """Parameters on one line: `lr=3.1e-03 head=cosine`."""
    return " ".join(f"{escape_controls(name)}={format_value(value)}" for name, value in params.items())


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns a line for each row, its cells in columns; a line may be longer than a terminal is wide."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def format_bytes(number: float) -> str:
    """A size on a disk: 961 B, 55.2 kB, 4.09 GB."""
    count = format_count(number)
    return f"{count} B" if count[-1].isdigit() else f"{count[:-1]} {count[-1]}B"


def format_path(path: Path) -> Path:
    """A path as one would type it: relative to the working directory where it lies in it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def quote_path(path: Path) -> str:
    """A path as one would type it into a shell."""
    return shlex.quote(str(format_path(path)))


def format_metric(value: float | None) -> str:
    """A metric with four decimals, a count of more than a hundred as one; a dash for none."""
    if value is None:
        return "-"
    if 100 <= abs(value) < 1e9 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) < 1e4 else f"{value:.3e}"


def format_metrics(values: Mapping[str, float | None]) -> str:
    """Metrics by name on one line: `val/top1 0.9740, num_params 61,156`."""
    return ", ".join(f"{name} {format_metric(value)}" for name, value in values.items())


def format_seconds(seconds: float) -> str:
    """A duration: 4.2s, 1:05 or 2:03:10."""
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def format_count(number: float) -> str:
    """A large number with three digits and a letter for the thousands: 961, 55.2k, 4.09G."""
    for letter in ("", "k", "M", "G", "T"):
        if abs(number) < 999.5 or letter == "T":
            break
        number /= 1000
    return f"{number:.3g}{letter}" if letter else f"{number:g}"


def shorten(text: str, length: int = 120) -> str:
    """A text of at most `length` characters, its end left out."""
    return text if len(text) <= length else f"{text[: length - 3]}..."
