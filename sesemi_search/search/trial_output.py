"""What a trial's modules print, kept in its folder: a worker's own output ends in files of Ray that go with it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["keep_output"]

_MAX_BYTES = 1_000_000  # of one trial; what prints every batch says little after that


class _Tee:
    """A stream that also writes to the file of the trial that runs, if one does.

    One stands in a stream's place for the life of the process: a module's log handler keeps it from one trial to the
    next. All else of it is the stream's.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.file: _OutputFile | None = None

    def write(self, text: str) -> Any:
        """Writes text to both."""
        if self.file is not None:
            self.file.append(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _OutputFile:
    """A file that is there once there is something to keep. A disk that takes no more loses it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self._room = _MAX_BYTES

    def append(self, text: str) -> None:
        """Writes as much of a text as there is room for."""
        if self._room <= 0:
            return
        with contextlib.suppress(OSError):
            if self._handle is None:
                self._handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
                self._room -= os.fstat(self._handle).st_size
            self._room -= os.write(self._handle, text.encode(errors="replace")[: max(self._room, 0)])

    def close(self) -> None:
        """Closes it."""
        if self._handle is not None:
            os.close(self._handle)


@contextlib.contextmanager
def keep_output(path: Path) -> Iterator[None]:
    """Keeps in a file what is printed meanwhile, to standard output and standard error."""
    if not isinstance(sys.stdout, _Tee):
        sys.stdout = _Tee(sys.stdout)
    if not isinstance(sys.stderr, _Tee):
        sys.stderr = _Tee(sys.stderr)
    tees = (sys.stdout, sys.stderr)
    file = _OutputFile(path)
    for tee in tees:
        tee.file = file
    try:
        yield
    finally:
        for tee in tees:
            tee.file = None
        file.close()
