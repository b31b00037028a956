"""The file that a ledger is kept in: opened, and mended after a writer that was killed."""

import json
import os
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import get_lock_file

from sesemi_search.errors import ConfigError
from sesemi_search.formatting import mask_passwords
from sesemi_search.search.directory import JOURNAL

__all__ = ["open_storage", "repair_journal", "show_journal", "wait_for_disk"]


class _File(JournalFileBackend):
    """Optuna's file, but it waits for the disk when it is told to and not at each line, of which a trial has thirty.

    A process that is killed loses nothing that it wrote. With the machine's power go the lines since the last wait.
    """

    _is_ahead = False  # of the disk

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends lines."""
        self._is_ahead = True
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with get_lock_file(self._lock), Path(self._file_path).open("ab") as file:
            file.write(lines.encode())

    def wait_for_disk(self) -> None:
        """Waits until all lines are on the disk."""
        if self._is_ahead:
            with Path(self._file_path).open("rb") as file:
                os.fsync(file.fileno())
            self._is_ahead = False


class _Shown(JournalFileBackend):
    """Optuna's file for a reader who may write: nothing of that is kept, and what a search adds meanwhile is read."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends nothing."""


def show_journal(directory: Path) -> BaseStorage:
    """Opens the journal of a search directory for what takes an Optuna storage; it changes nothing there."""
    return JournalStorage(_Shown(str((directory / JOURNAL).absolute())))


def wait_for_disk(storage: BaseStorage) -> None:
    """Waits until all that was written to a journal is on the disk; a database does so by itself."""
    if isinstance(storage, JournalStorage) and isinstance(storage._backend, _File):
        storage._backend.wait_for_disk()


def open_storage(directory: Path, url: str | None) -> BaseStorage:
    """Opens the journal of a search directory, or another Optuna storage in its place.

    Raises:
        ConfigError: The journal is damaged, or there is no storage at `url`.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        try:
            return optuna.storages.get_storage(url)
        except Exception as error:  # of SQLAlchemy, of the database's driver, of Optuna
            shown, reason = mask_passwords(url), mask_passwords(str(error).partition("\n")[0])
            raise ConfigError(
                "search.storage",
                f"got {shown!r}; it cannot be opened ({type(error).__name__}: {reason}). "
                "It takes the URL of a database, as sqlite:////home/me/study.db or null.",
            ) from error
    # An absolute path: after a change of directory Optuna would wait for ever for a lock beside a relative one.
    path = (directory / JOURNAL).absolute()
    try:
        return JournalStorage(_File(str(path)))
    except OSError:
        raise
    except Exception as error:  # Optuna's replay of a damaged file fails in any way
        raise ConfigError(
            "", f"{_find_damage(path, error)}. The file was damaged: put back a copy of it.", file=path
        ) from error


def _find_damage(path: Path, error: Exception) -> str:
    """Says which line of a journal is no record, or that the records do not fit together."""
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            json.loads(line)
        except ValueError:
            return f"line {number} is no record: {line[:60]!r}"
    return f"its records do not fit together ({type(error).__name__}: {error})"


def repair_journal(directory: Path) -> None:
    """Removes what a writer that was killed in an append left: its lock, and a last line without an end.

    Optuna waits 30 s for such a lock, and a journal that is written on after a torn line is broken for good.
    """
    path = directory / JOURNAL
    Path(f"{path}.lock").unlink(missing_ok=True)
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
            os.fsync(file.fileno())
