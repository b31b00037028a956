"""The search directory: what lies where, and which folder a new search gets."""

import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sesemi_search.errors import ConfigError
from sesemi_search.project.project import Project, project_path

__all__ = [
    "JOURNAL",
    "SEARCH_LOG",
    "SEARCH_YAML",
    "output_file",
    "choose_directory",
    "error_file",
    "file_inside",
    "given_directory",
    "holds_search",
    "refuse_used",
    "trial_dir",
]

SEARCH_YAML = "search.yaml"
JOURNAL = "study.journal"
SEARCH_LOG = "search.log"


def trial_dir(directory: Path, number: int) -> Path:
    """Returns the folder of a trial in a search directory."""
    return directory / "trials" / f"{number:04d}"


def error_file(directory: Path, number: int) -> Path:
    """Returns the file that has the error of a trial that failed."""
    return trial_dir(directory, number) / "error.txt"


def output_file(directory: Path, number: int) -> Path:
    """Returns the file that has what a trial's modules printed, in all its attempts."""
    return trial_dir(directory, number) / "output.txt"


def holds_search(directory: Path) -> bool:
    """Whether a folder is a search directory."""
    return (directory / JOURNAL).exists() or (directory / SEARCH_YAML).exists()


def refuse_used(directory: Path) -> None:
    """Sees that a new search may begin in a folder.

    Raises:
        ConfigError: There is a search already.
    """
    if holds_search(directory):
        raise ConfigError(
            f"search.dir: {directory} already holds a search. "
            f"To go on with it: sesemi-search resume {shlex.quote(str(directory))}"
        )


def file_inside(directory: Path, path: Path) -> Path:
    """Returns `path`, having seen that it is a file of the search directory and no link to somewhere else.

    Raises:
        ConfigError: It is missing, no regular file, or lies outside.
    """
    try:
        inside = path.resolve(strict=True).is_relative_to(directory.resolve())
    except (OSError, RuntimeError):  # a loop of links
        raise ConfigError(f"{path}: there is no such file.") from None
    if not inside:
        raise ConfigError(f"{path}: leads out of the search directory, and is not read.")
    if not path.is_file():
        raise ConfigError(f"{path}: not a file.")
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
        raise ConfigError(f"{verb}: say which search it is about, sesemi-search {verb} DIR.{found}")
    return directory


def choose_directory(given: str | None, project: Project | None, name: str, now: datetime) -> Path:
    """Returns the absolute path of a new search's directory, without making it.

    Raises:
        ConfigError: There is a search already, or something that is no folder.
    """
    if given is None:
        root = project.root if project else Path.cwd()
        return (root / "runs" / name / now.strftime("%Y%m%d_%H%M%S")).absolute()
    directory = project_path(None, given)
    refuse_used(directory)
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"search.dir: {directory} is a file; it takes a folder.")
    return directory
