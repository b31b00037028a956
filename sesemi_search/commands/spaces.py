"""`sesemi-search spaces`: the spaces that `space=NAME` can name, what each says of itself, and the file it is."""

from pathlib import Path

from sesemi_search.config.compose import Request, search_path
from sesemi_search.console import print_text
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import align_columns, format_path
from sesemi_search.project.project import find_project, list_options

__all__ = ["spaces_command"]


def spaces_command(request: Request) -> int:
    """Prints a line for each space of the project and of our own; returns the exit code."""
    if request.overrides:
        raise ConfigError(
            "spaces", f"got {request.overrides[0]!r}; it takes no overrides. For one space: show space=NAME."
        )
    folders = search_path(request, find_project(request.project, request.config_dir))
    rows = [(name, _first_comment(file), str(format_path(file))) for name, file in list_options("space", folders)]
    if not rows:
        print_text(f"there are no spaces in {', '.join(map(str, folders))}")
    for line in align_columns(sorted(rows)):
        print_text(line)
    return 0


def _first_comment(file: Path) -> str:
    """Returns the first comment line that is for people, not for Hydra; an empty string where there is none."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return f"cannot be read: {error}"
    comments = (line.lstrip("# ").rstrip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if comment and not comment.startswith("@package")), "")
