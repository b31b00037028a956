"""How often a test split was opened, and by what: once it has helped to choose, its score is no test any more.

An opening is a line of `test_openings.jsonl`: in the directory of the search whose config was scored, and in the
project's run folder for a config of no search, or where a search directory takes no file. A ledger is no place for it:
it has one writer, which may be at work while one of its configs is scored, and a config of no search has none.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sesemi_search.config.schema import DataConfig
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import escape_controls

__all__ = ["OPENINGS", "Opening", "count_opening", "describe_openings", "earlier_openings"]

OPENINGS = "test_openings.jsonl"
_TIMES = {1: "once", 2: "twice"}
_MAX_SHOWN = 3


@dataclass(frozen=True)
class Opening:
    """One look at a test split.

    Attributes:
        when: The time, ISO 8601 in UTC.
        run: The folder of the run that was scored.
        split: What tells this test split from others (`data.source` and what else it depends on), as a hash.
    """

    when: str
    run: str
    split: str


def earlier_openings(folders: Sequence[Path], data: DataConfig) -> list[Opening]:
    """Returns the openings of the test split of a data config that are noted in any of the folders, by time."""
    split = _identify_split(data)
    found = (opening for folder in folders for opening in _read(folder / OPENINGS) if opening.split == split)
    return sorted(found, key=lambda opening: opening.when)


def count_opening(folders: Sequence[Path], data: DataConfig, run: Path) -> list[Opening]:
    """Notes that the test split of a data config is opened; call it before the first image is read.

    Args:
        folders: Where openings of this split are noted, of which the first that takes a file gets this one: the search
            directory, if it is a config of a search, then the project's run folder.
        data: The data config.
        run: The folder of the run that is scored.

    Returns:
        The openings before this one.

    Raises:
        ConfigError: No folder takes a file: the split stays closed.
    """
    earlier = earlier_openings(folders, data)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = json.dumps(asdict(Opening(now, str(run), _identify_split(data)))) + "\n"
    for folder in folders:
        if _append(folder / OPENINGS, line):
            return earlier
    raise ConfigError(
        "run.test", f"{OPENINGS}, where it is noted that test was opened, cannot be written in {folders[-1]}."
    )


def describe_openings(earlier: Sequence[Opening]) -> str:
    """Says how often a test split was opened before, the last times with the run; "" where it was not."""
    if not earlier:
        return ""
    times = _TIMES.get(len(earlier), f"{len(earlier)} times")
    last = [f"{o.when[:16].replace('T', ' ')} UTC by {o.run}" for o in earlier[-_MAX_SHOWN:]]
    which = "the last ones: " if len(earlier) > _MAX_SHOWN else ""
    return escape_controls(f"test has been opened {times} before: {which}{'; '.join(last)}")


def _identify_split(data: DataConfig) -> str:
    """Returns a hash of what decides which images the test split has."""
    carved = None if data.test_size is None else [data.test_size, data.split_seed]
    text = json.dumps([data.source, data.test_source, carved], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _append(path: Path, line: str) -> bool:
    """Appends a line, whole as it is short; returns False where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError:
        return False
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _read(path: Path) -> Iterator[Opening]:
    """Yields what a file has; a line that is none of ours, as one of a full disk, is passed over."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            content = json.loads(line)
            yield Opening(*(str(content[name]) for name in ("when", "run", "split")))
        except (ValueError, KeyError, TypeError):
            continue
