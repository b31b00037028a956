"""The search directory: what lies where, and which folder a new search gets."""

from datetime import datetime
from pathlib import Path

from sesemi_search.config.errors import ConfigError
from sesemi_search.config.project import Project
from sesemi_search.search.ledger import JOURNAL

__all__ = ["SEARCH_YAML", "choose_directory", "holds_search", "trial_dir"]

SEARCH_YAML = "search.yaml"


def trial_dir(directory: Path, number: int) -> Path:
    """Returns the folder of a trial in a search directory."""
    return directory / "trials" / f"{number:04d}"


def holds_search(directory: Path) -> bool:
    """Whether a folder is a search directory."""
    return (directory / JOURNAL).exists() or (directory / SEARCH_YAML).exists()


def choose_directory(given: str | None, project: Project | None, name: str, now: datetime) -> Path:
    """Returns the absolute path of a new search's directory, without making it.

    Raises:
        ConfigError: There is a search already, or something that is no folder.
    """
    if given is None:
        root = project.root if project else Path.cwd()
        return (root / "runs" / name / now.strftime("%Y%m%d_%H%M%S")).absolute()
    directory = Path(given).expanduser().absolute()
    if holds_search(directory):
        raise ConfigError(
            f"search.dir: {directory} already holds a search. To go on with it: sesemi-search resume {directory}"
        )
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"search.dir: {directory} is a file; it takes a folder.")
    return directory
