"""Files that are written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["atomic_file", "remove_torn", "write_text"]


@contextmanager
def atomic_file(path: Path, wait_for_disk: bool = True) -> Iterator[BinaryIO]:
    """Opens a file that takes the place of `path` when the block ends well, and vanishes when it does not.

    A reader, or a crash at any moment, finds the old file or the new one.

    Args:
        path: The file; its folder exists.
        wait_for_disk: Whether it is to be there after a power cut too, which takes a wait for the disk. A process that
            is killed loses nothing without it.

    Raises:
        OSError: The disk is full, say. The old file is still there.
    """
    # The process id tells the attempts of a trial apart, mkstemp's random part the calls within a process.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.{os.getpid()}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if wait_for_disk:
                os.fsync(file.fileno())
        # mkstemp's files are for their owner alone; a run's folder is often shared.
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def remove_torn(folder: Path, name: str = "*") -> None:
    """Removes what writers that were killed left of a file in a folder, or of any file there."""
    for torn in folder.glob(f".{name}.*.tmp"):
        torn.unlink(missing_ok=True)


def write_text(path: Path, text: str, wait_for_disk: bool = True) -> None:
    """Writes a text file whole or not at all."""
    with atomic_file(path, wait_for_disk) as file:
        file.write(text.encode())
