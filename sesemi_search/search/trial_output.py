"""What a trial's modules print, kept in its folder: a worker's own output ends in files of Ray that go with it."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

__all__ = ["keep_output"]

_MAX_BYTES = 1_000_000  # of one trial; what prints every batch says little after that


class _Tee(io.TextIOBase):
    """Passes text on to a stream, and appends it to a file, which is there once there is something to keep."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self._path = path
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes text; a disk that takes no more loses it."""
        with contextlib.suppress(OSError):
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                if (room := _MAX_BYTES - os.fstat(file).st_size) > 0:
                    os.write(file, text.encode(errors="replace")[:room])
            finally:
                os.close(file)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def flush(self) -> None:
        """Flushes the stream."""
        self._stream.flush()

    def fileno(self) -> int:
        """Returns the stream's."""
        return self._stream.fileno()


@contextlib.contextmanager
def keep_output(path: Path) -> Iterator[None]:
    """Keeps in a file what is printed meanwhile, to standard output and standard error."""
    out, err = _Tee(path, sys.stdout), _Tee(path, sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield
