"""One driver a search directory: a lock that its holder cannot outlive.

`flock` is released by the kernel when the process ends, however it ends. The file also says who holds it, for people.
"""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from sesemi_search.errors import ConfigError

__all__ = ["lock_directory", "lock_holder"]


@contextlib.contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Makes a search directory where there is none, and holds the driver's lock on it.

    Raises:
        ConfigError: Another process holds it (the message names its host and process id), or it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "driver.lock").open("a+")
    except OSError as error:
        raise ConfigError("search.dir", f"{directory} cannot be written: {error.strerror or error}.") from error
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                "search.dir", f"{directory} is in use by {_holder(directory)}; one driver at a time."
            ) from None
        file.truncate(0)
        file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
        file.flush()
        yield
        # Emptied, not removed: a file removed while another process opens it would give two locks.
        file.truncate(0)


def lock_holder(directory: Path) -> str | None:
    """Returns who is at work in a search directory, None where nobody is. For readers: it leaves no trace.

    The lock is tried, shared, and given back at once, since the file outlives a driver that was killed.
    """
    try:
        # A stranger's directory may have anything of that name: a link, a pipe that nobody writes to.
        handle = os.open(directory / "driver.lock", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(directory)
    finally:
        os.close(handle)
    return None


def _holder(directory: Path) -> str:
    try:
        holder = json.loads((directory / "driver.lock").read_text())
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
