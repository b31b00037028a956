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
from sesemi_search.search.directory import file_inside, holds_search, lock_holder
from sesemi_search.search.stored_search import read_search

__all__ = ["Run", "describe_run", "find_runs", "holds_run", "size_on_disk"]

_UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Run:
    """A search or a final run.

    Attributes:
        directory: Its folder.
        kind: `search` or `train`.
        began: When, in local time; None where that is not known.
        state: Of a search `running`, `finished` or `stopped`; of a final run its outcome, `running` or `not ended`; of
            either `unreadable`.
        num_bytes: What it takes on the disk.
        num_ended: Of a search, trials that ended and count.
        num_trials: Of a search, trials that it was asked for.
        metric: What `best` is of: of a search its first objective, of a final run `test/top1`.
        best: Value of the best trial, or the test score; None for none.
    """

    directory: Path
    kind: str
    began: datetime | None
    state: str
    num_bytes: int
    num_ended: int | None = None
    num_trials: int | None = None
    metric: str = ""
    best: float | None = None

    @property
    def progress(self) -> str:
        """Of a search: `31 of 50`."""
        return "" if self.num_trials is None else f"{self.num_ended} of {self.num_trials}"

    @property
    def result(self) -> str:
        """`val/top1 0.9740`, or ""."""
        return "" if self.best is None else f"{self.metric} {format_metric(self.best)}"

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON has it."""
        began = None if self.began is None else self.began.isoformat(timespec="seconds")
        return {**vars(self), "directory": str(self.directory), "began": began}


def find_runs(folder: Path) -> Iterator[Path]:
    """Yields the folders of searches and final runs in a folder, that folder itself included, by name."""
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return
    if holds_search(folder) or holds_run(folder):
        yield folder
    else:
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
        return Run(folder, "search", _started(folder), _UNREADABLE, size_on_disk(folder))
    counted = [row for row in summary.rows if row.is_counted]
    return Run(
        folder,
        "search",
        summary.began,
        summary.state.value,
        size_on_disk(folder),
        num_ended=sum(row.is_ended for row in counted),
        num_trials=max(summary.num_trials, len(counted)),
        metric=summary.objectives.first.name,
        best=None if summary.best is None else summary.best.value,
    )


def _describe_final(folder: Path) -> Run:
    metrics = _read_json(folder, METRICS) if (folder / METRICS).exists() else {"outcome": "running"}
    outcome, test = metrics.get("outcome"), metrics.get("test")
    # What was killed says that it runs, as what runs does.
    going = "running" if lock_holder(folder) else "not ended"
    state = going if outcome == "running" else outcome if isinstance(outcome, str) else _UNREADABLE
    top1 = test.get("top1") if isinstance(test, dict) else None
    best = top1 if isinstance(top1, float) else None
    return Run(folder, "train", _started(folder), state, size_on_disk(folder), metric="test/top1", best=best)


def _started(folder: Path) -> datetime | None:
    """Returns when a run was started, by its provenance."""
    try:
        started = datetime.fromisoformat(_read_json(folder, PROVENANCE)["started"])
    except (KeyError, ValueError, TypeError):
        return None
    return started.astimezone().replace(tzinfo=None)  # as Optuna has times


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
