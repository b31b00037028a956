"""Data sets that are downloaded: once, whole or not at all, by one process at a time.

What comes from the network goes into a folder of its own beside its place and is moved there when it is complete and
checked. A process that is killed on the way leaves that folder, which nobody takes for data, and the next one deletes
it.
"""

import logging
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sesemi_search.errors import ConfigError

__all__ = ["provide"]

logger = logging.getLogger(__name__)

_TIMEOUT_S = 20.0


def provide(
    files: Sequence[Path],
    data_root: Path,
    download: Callable[[Path], object],
    archives: Sequence[Path],
    help_text: str,
) -> None:
    """Sees that a data set's files are there, and downloads all of them when one is not.

    Args:
        files: The files, in one folder below `data_root`.
        data_root: Folder of data sets; made when it is missing.
        download: Puts that folder, with checked files, into the one that it is given in the place of `data_root`.
        archives: What `download` fetches, below `data_root`: used where somebody has put it there by hand.
        help_text: What a user can do without a network.

    Raises:
        ConfigError: The download fails, or what arrives is not what it should be.
    """
    if _are_there(files):
        return
    folder = files[0].parent
    inside = folder.relative_to(data_root)
    name = f".{inside.parts[0]}"
    try:
        with _locked(data_root / f"{name}.lock"):
            if _are_there(files):  # another process was at it
                return
            for leftover in data_root.glob(f"{name}-*.download"):
                shutil.rmtree(leftover, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=f"{name}-", suffix=".download", dir=data_root) as scratch:
                _copy_archives(archives, data_root, Path(scratch))
                with _socket_timeout(_TIMEOUT_S):
                    download(Path(scratch))
                _move(Path(scratch) / inside, folder)
    except (RuntimeError, OSError) as error:  # torchvision makes a RuntimeError of a wrong checksum
        raise ConfigError(
            "data.source",
            f"{folder} is not there or not whole, and cannot be downloaded ({_first_lines(error)}). {help_text}",
        ) from error


def _are_there(files: Sequence[Path]) -> bool:
    return all(file.is_file() for file in files)


def _copy_archives(archives: Sequence[Path], data_root: Path, scratch: Path) -> None:
    """Takes over archives that were put there by hand; torchvision checks them, and downloads only the others."""
    for archive in archives:
        (scratch / archive).parent.mkdir(parents=True, exist_ok=True)
        if (data_root / archive).is_file():
            shutil.copyfile(data_root / archive, scratch / archive)


def _move(source: Path, folder: Path) -> None:
    """Moves the files of a folder, each whole; on one disk, as `source` is below the same root."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.suffix != ".gz":  # unpacked
            file.replace(folder / file.name)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock among processes, and says so when another one has it.

    Lock file and new folders are gone afterwards, unless something is in them.
    """
    made: list[Path] = []
    lock = FileLock(path)
    while not lock.is_locked:
        made += [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process took the folder away
            try:
                lock.acquire(blocking=False)
            except Timeout:
                logger.warning(f"another process downloads to {path.parent}; waiting for it")
                lock.acquire()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):
            for folder in made:
                folder.rmdir()


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Lets a silent server fail: urllib, as torchvision calls it, waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _first_lines(error: BaseException) -> str:
    """Returns the reason in one line; torchvision's text repeats each mirror's."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3]) or type(error).__name__
