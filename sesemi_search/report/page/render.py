"""The file of the report: the page's parts put together, everything from the search in it as data.

A text of the search is never HTML: the page gets it as JSON in which no `<` is left, and shows it as text. A
Content-Security-Policy allows the page's own script and style by their hashes, and no request.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from sesemi_search import __version__
from sesemi_search.atomic import write_text
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import escape_controls
from sesemi_search.report.page.content import make_content
from sesemi_search.search.directory import REPORT
from sesemi_search.search.stored_search import StoredSearch

__all__ = ["encode_content", "render_content", "render_report", "write_report"]

_STYLES = ("uplot/uPlot.min.css", "page.css")
# In the order in which they are run; they share one scope.
_SCRIPTS = (
    *("uplot/uPlot.iife.min.js", "elements.js", "search.js", "frame.js", "curves.js", "scatter.js", "parallel.js"),
    *("facts.js", "trials.js", "page.js"),
)


def render_report(stored: StoredSearch) -> str:
    """Returns the page of a search as one HTML text that needs nothing else."""
    return render_content(make_content(stored))


def render_content(content: Mapping[str, Any], *, is_live: bool = False) -> str:
    """Returns the page that shows a content (see `make_content`).

    Args:
        content: What it shows.
        is_live: The page asks its server for news (see `serve`).
    """
    script, style = _join(_SCRIPTS), _join(_STYLES)
    connects = "; connect-src 'self'" if is_live else ""
    parts = {
        "policy": "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:"
        f"; script-src {_hash(script)}; style-src {_hash(style)}{connects}",
        "title": html.escape(escape_controls(f"{content['search']['name']}: search report")),
        "live": " data-live" if is_live else "",
        "version": html.escape(__version__),
        "style": style,
        "content": encode_content(content),
        "script": script,
    }
    # In one pass: what a part holds is no place for another.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _asset("page.html"))


def write_report(stored: StoredSearch, file: Path | None = None) -> Path:
    """Writes the page, to `report.html` in the search directory by default; returns its path.

    Raises:
        ConfigError: The file cannot be written.
    """
    path = stored.directory / REPORT if file is None else file
    try:
        write_text(path, render_report(stored), wait_for_disk=False)
    except OSError as error:
        reason = f"{path} cannot be written: {error.strerror or error}; give another file with --out FILE."
        raise ConfigError("report", reason) from error
    return path


def encode_content(content: Mapping[str, Any]) -> str:
    """Returns JSON that can stand inside an HTML `script`: it has no `<`."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


@cache
def _join(names: tuple[str, ...]) -> str:
    return "\n".join(map(_asset, names))


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Returns the source expression that allows an inline text in a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
