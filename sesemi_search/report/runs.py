"""The searches and final runs below a folder, each in a few facts."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sesemi_search.errors import ConfigError
from sesemi_search.formatting import format_metric
from sesemi_search.project.project import METRICS, PROVENANCE
from sesemi_search.report.summary import summarize
from sesemi_search.search.directory import file_inside, holds_search
from sesemi_search.search.stored_search import read_search

__all__ = ["Run", "describe_run", "find_runs", "holds_run", "size_on_disk"]

_TIME = "%Y-%m-%d %H:%M"
_UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Run:
    """A search or a final run.

    Attributes:
        directory: Its folder.
        kind: `search` or `train`.
        began: When, as `2026-01-01 12:00`; "" where that is not known.
        state: Of a search `running`, `finished` or `stopped`; of a final run its outcome; or `unreadable`.
        trials: Trials that ended, of those that were asked for: `31 of 50`; "" of a final run.
        best: Value of the best trial, or the score on the test split, with the metric's name; "" for none.
        num_bytes: What it takes on the disk.
    """

    directory: Path
    kind: str
    began: str
    state: str
    trials: str
    best: str
    num_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON has it."""
        return {**vars(self), "directory": str(self.directory)}


def find_runs(folder: Path) -> Iterator[Path]:
    """Yields the folders of searches and final runs in a folder, that folder itself included, by name."""
    if holds_search(folder) or holds_run(folder):
        yield folder
    elif folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from find_runs(child)


def holds_run(folder: Path) -> bool:
    """Whether a folder is that of a final run."""
    return (folder / PROVENANCE).is_file() and (folder / "config.yaml").is_file() and not holds_search(folder)


def describe_run(folder: Path) -> Run:
    """Returns the facts of a search or a final run; one that cannot be read is `unreadable`."""
    return _describe_search(folder) if holds_search(folder) else _describe_final(folder)


def _describe_search(folder: Path) -> Run:
    try:
        summary = summarize(read_search(folder))
    except ConfigError:
        return Run(folder, "search", _started(folder), _UNREADABLE, "", "", size_on_disk(folder))
    counted = [row for row in summary.rows if row.is_counted]
    ended = sum(row.is_ended for row in counted)
    best = "" if summary.best is None else f"{summary.objectives.first.name} {format_metric(summary.best.value)}"
    began = "" if summary.began is None else summary.began.strftime(_TIME)
    trials = f"{ended} of {max(summary.num_trials, len(counted))}"
    return Run(folder, "search", began, summary.state.value, trials, best, size_on_disk(folder))


def _describe_final(folder: Path) -> Run:
    state, best = "not ended", ""
    if (folder / METRICS).exists():
        metrics = _read_json(folder, METRICS)
        # What was killed says that it runs, as what runs does: a final run has no lock to tell.
        state = {"running": state}.get(metrics.get("outcome", ""), str(metrics.get("outcome", _UNREADABLE)))
        match metrics.get("test"):
            case {"top1": float(top1)}:
                best = f"test/top1 {format_metric(top1)}"
    return Run(folder, "train", _started(folder), state, "", best, size_on_disk(folder))


def _started(folder: Path) -> str:
    """Returns when a run was started, by its provenance."""
    try:
        return datetime.fromisoformat(_read_json(folder, PROVENANCE)["started"]).astimezone().strftime(_TIME)
    except (KeyError, ValueError, TypeError):
        return ""


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    """Returns what a file of a run holds, nothing where that is no mapping."""
    try:
        content = json.loads(file_inside(folder, folder / name).read_text())
    except (ConfigError, OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def size_on_disk(folder: Path) -> int:
    """Returns the bytes of the files in a folder; what links lead to is not in it."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # it was removed meanwhile
                total += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118
    return total
