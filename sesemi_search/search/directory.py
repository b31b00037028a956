"""The search directory: what lies where, which folder a new search gets, and its one driver.

The driver holds a lock that it cannot outlive: `flock` is released by the kernel when the process ends, however it
ends. The file also says who holds it, for people.
"""

import contextlib
import fcntl
import itertools
import json
import os
import shlex
import socket
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TextIO

from sesemi_search.errors import ConfigError
from sesemi_search.project.project import Project, check_writable, project_path

__all__ = [
    "JOURNAL",
    "LOCK",
    "REPORT",
    "SEARCH_LOG",
    "SEARCH_YAML",
    "output_file",
    "choose_directory",
    "claim_directory",
    "count_finals",
    "error_file",
    "file_inside",
    "final_dir",
    "find_search",
    "given_directory",
    "holds_search",
    "lock_directory",
    "lock_holder",
    "only_directory",
    "refuse_running",
    "refuse_used",
    "trial_dir",
]

SEARCH_YAML = "search.yaml"
JOURNAL = "study.journal"
SEARCH_LOG = "search.log"
REPORT = "report.html"
LOCK = "driver.lock"
_LOCK_TRIES = 5


def trial_dir(directory: Path, number: int) -> Path:
    """Returns the folder of a trial in a search directory."""
    return directory / "trials" / f"{number:04d}"


def error_file(directory: Path, number: int) -> Path:
    """Returns the file that has the error of a trial that failed."""
    return trial_dir(directory, number) / "error.txt"


def output_file(directory: Path, number: int) -> Path:
    """Returns the file that has what a trial's modules printed, in all its attempts."""
    return trial_dir(directory, number) / "output.txt"


def final_dir(directory: Path, attempt: int) -> Path:
    """Returns the folder of a final run of a search: `final`, `final-2` and so on."""
    return directory / ("final" if attempt == 1 else f"final-{attempt}")


def count_finals(directory: Path) -> int:
    """Returns how many final runs of a search have begun."""
    return next(count for count in itertools.count() if not final_dir(directory, count + 1).exists())


def holds_search(directory: Path) -> bool:
    """Whether a folder is a search directory; one that may not be looked into is none."""
    try:
        return (directory / JOURNAL).exists() or (directory / SEARCH_YAML).exists()
    except (OSError, ValueError):  # nor one whose name no folder can have
        return False


def find_search(folder: Path) -> Path | None:
    """Returns the search directory that a folder belongs to: it is one, or of a trial or of a final run in one."""
    # The outermost: the phases of a final run are searches in themselves, DIR/final/models/trials/0001.
    return next((each for each in reversed((folder, *folder.parents[:4])) if holds_search(each)), None)


def refuse_used(directory: Path) -> None:
    """Sees that a new search may begin in a folder.

    Raises:
        ConfigError: There is a search already.
    """
    if holds_search(directory):
        raise ConfigError(
            "search.dir",
            f"{directory} already holds a search. To go on with it: sesemi-search resume {shlex.quote(str(directory))}",
        )


def file_inside(directory: Path, path: Path) -> Path:
    """Returns `path`, having seen that it is a file of the search directory and no link to somewhere else.

    Raises:
        ConfigError: It is missing, no regular file, or lies outside.
    """
    try:
        inside = path.resolve(strict=True).is_relative_to(directory.resolve())
    except (OSError, RuntimeError):  # a loop of links
        raise ConfigError("", "there is no such file.", file=path) from None
    if not inside:
        raise ConfigError("", "leads out of the search directory, and is not read.", file=path)
    if not path.is_file():
        raise ConfigError("", "not a file.", file=path)
    return path


def given_directory(verb: str, arguments: Sequence[str]) -> Path:
    """Returns the absolute path of the search directory that a verb was given: the first of its arguments.

    Raises:
        ConfigError: There is none; a `KEY=VALUE` is one only where there is such a folder.
    """
    given = arguments[0] if arguments else ""
    directory = project_path(None, given)
    if not given or ("=" in given and not directory.is_dir()):
        found = f" Got {given!r}, which is no folder." if arguments else ""
        raise ConfigError(verb, f"say which search it is about, sesemi-search {verb} DIR.{found}")
    return directory


def only_directory(verb: str, arguments: Sequence[str]) -> Path:
    """Returns the directory that a verb was given which takes nothing else.

    Raises:
        ConfigError: There is none, or more than that.
    """
    if len(arguments) > 1:
        raise ConfigError(verb, f"got {arguments[1]!r} behind the directory; it takes one DIR and no KEY=VALUE.")
    return given_directory(verb, arguments)


def choose_directory(given: str | None, project: Project | None, name: str, now: datetime) -> Path:
    """Returns the absolute path of a new search's directory, without making it.

    Raises:
        ConfigError: There is a search already, or it cannot be written.
    """
    if given is None:
        directory = project_path(project, f"runs/{name}/{now:%Y%m%d_%H%M%S}")
    else:
        directory = project_path(None, given)
    check_writable(directory, "search.dir")
    refuse_used(directory)
    return directory


def claim_directory(directory: Path) -> Path:
    """Makes a new search's directory and returns it: that of the name, or of the next one that is free, `NAME_2`.

    The name has the time in seconds, and two searches may begin in one.

    Raises:
        ConfigError: It cannot be made.
    """
    for name in itertools.chain([directory.name], (f"{directory.name}_{i}" for i in itertools.count(2))):
        claimed = directory.with_name(name)
        try:
            claimed.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ConfigError("search.dir", f"{claimed} cannot be made: {error.strerror or error}.") from error
        return claimed
    raise AssertionError("there is always a next name")


@contextlib.contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Makes a search directory where there is none, and holds the driver's lock on it.

    Raises:
        ConfigError: Another process holds it (the message names its host and process id), or it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # No link: what it leads to would be emptied.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        lock = os.fdopen(os.open(directory / LOCK, flags, 0o666), "a+")
    except OSError as error:
        raise ConfigError("search.dir", f"{directory} cannot be written: {error.strerror or error}.") from error
    with lock as file:
        if not _try_lock(file):
            raise ConfigError("search.dir", f"{directory} is in use by {_holder(directory)}; one driver at a time.")
        file.truncate(0)
        file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
        file.flush()
        yield
        # Emptied, not removed: a file removed while another process opens it would give two locks.
        file.truncate(0)


def refuse_running(directory: Path) -> None:
    """Sees that nobody is at work in a search directory: soon, as the lock that is held to it is taken late.

    Raises:
        ConfigError: Another process is.
    """
    if (holder := lock_holder(directory)) is not None:
        raise ConfigError("search.dir", f"{directory} is in use by {holder}; one driver at a time.")


def _try_lock(file: TextIO) -> bool:
    """Takes the driver's lock; who reads a search has it for an instant, to see whether somebody is at work."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def lock_holder(directory: Path) -> str | None:
    """Returns who is at work in a search directory, None where nobody is. For readers: it leaves no trace.

    The lock is tried, shared, and given back at once, since the file outlives a driver that was killed.
    """
    try:
        # A stranger's directory may have anything of that name: a link, a pipe that nobody writes to.
        handle = os.open(directory / LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
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
        holder = json.loads((directory / LOCK).read_text())
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
