"""The file that a ledger is kept in: opened, and mended after a writer that was killed."""

import os
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from sesemi_search.search.directory import JOURNAL

__all__ = ["open_storage", "repair_journal"]


def open_storage(directory: Path, url: str | None) -> BaseStorage:
    """Opens the journal of a search directory, or another Optuna storage in its place."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        return optuna.storages.get_storage(url)
    # An absolute path: after a change of directory Optuna would wait for ever for a lock beside a relative one.
    return JournalStorage(JournalFileBackend(str((directory / JOURNAL).absolute())))


def repair_journal(directory: Path) -> None:
    """Removes what a writer that was killed in an append left: its lock, and a last line without an end.

    Without a journal there is nothing to do.

    Optuna waits 30 s for such a lock, and a journal that is written on after a torn line is broken for good.
    """
    path = directory / JOURNAL
    if not path.exists():
        return
    Path(f"{path}.lock").unlink(missing_ok=True)
    with path.open("r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
            os.fsync(file.fileno())
