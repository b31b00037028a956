"""The config of a trial of a stored search, read as data: no resolver in it runs, and nothing is built."""

from pathlib import Path
from typing import Any

from sesemi_search.config.stored import read_stored_config
from sesemi_search.search.directory import file_inside, trial_dir

__all__ = ["load_trial_config"]


def load_trial_config(directory: Path, number: int) -> dict[str, Any]:
    """Returns the config of a trial, its references to other keys followed.

    Raises:
        ConfigError: There is none, or it is not one of ours.
    """
    return read_stored_config(file_inside(directory, trial_dir(directory, number) / "config.yaml"))
