"""`sesemi-search list`: the searches and final runs of the project, or of other folders."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sesemi_search.console import print_text
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import align_columns, format_bytes, format_path
from sesemi_search.project.project import find_project, project_path
from sesemi_search.report.runs import Run, describe_run, find_runs

__all__ = ["list_command"]

_HEADER = ("kind", "began", "state", "trials", "best", "size", "directory")


def list_command(folders: Sequence[str], project: Path | None, as_json: bool) -> int:
    """Prints a line for each search and final run, the latest last; returns the exit code.

    Args:
        folders: Where to look; by default in the `runs/` of the project, or of the working directory.
        project: `--project`.
        as_json: Prints JSON instead.
    """
    places = [project_path(None, folder) for folder in folders] or [project_path(find_project(project, None), "runs")]
    for given, place in zip(folders, places, strict=False):
        if not place.is_dir():
            raise ConfigError("list", f"got {given!r}, which is no folder.")
    found = dict.fromkeys(folder for place in places for folder in find_runs(place))  # one may lie in another
    runs = [describe_run(folder) for folder in found]
    runs.sort(key=lambda run: run.began or datetime.max)
    if as_json:
        print_text(json.dumps([run.to_json() for run in runs], indent=1))
    elif not runs:
        print_text(f"there are no searches and no final runs in {', '.join(str(format_path(each)) for each in places)}")
    else:
        for line in align_columns([_HEADER, *map(_cells, runs)]):
            print_text(line)
    return 0


def _cells(run: Run) -> tuple[str, ...]:
    began = "" if run.began is None else f"{run.began:%Y-%m-%d %H:%M}"
    size, directory = format_bytes(run.num_bytes), str(format_path(run.directory))
    return run.kind, began, run.state, run.progress, run.result, size, directory
