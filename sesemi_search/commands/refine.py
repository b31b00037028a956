"""`sesemi-search refine DIR`: writes the space that follows from what a search has shown."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from sesemi_search.atomic import write_text
from sesemi_search.console import print_text
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import format_path, quote_path
from sesemi_search.project.project import Project, check_writable, find_project
from sesemi_search.report.advice import Kind, advise
from sesemi_search.report.next_space import write_next_space
from sesemi_search.search.directory import only_directory
from sesemi_search.search.phase import is_phase
from sesemi_search.search.stored_search import StoredSearch, read_search

__all__ = ["refine_command"]

_GROUP = "space"  # the folder that Hydra finds spaces in


def refine_command(arguments: Sequence[str], out: Path | None, given: Path | None) -> int:
    """Writes the next space of a search into its project, and says what runs it; returns the exit code.

    Args:
        arguments: The search directory.
        out: The file to write; None for the next free name in the project's `search_spaces/space`.
        given: What `--project` says.

    Raises:
        ConfigError: There is no search or no project, or the file cannot be.
    """
    stored = read_search(only_directory("refine", arguments))
    if is_phase(stored.config):
        raise ConfigError("refine", f"{stored.directory} is a part of a final run; it takes the search.")
    project = find_project(given, stored.directory)
    advice = [each for each in advise(stored.all_records, stored.space, stored.objectives) if each.node is not None]
    if all(each.kind is Kind.fix for each in advice):  # which a space keeps, as a remark
        for each in advice:
            print_text(f"- {each.text}")
        print_text("the trials show nothing to change in the space; nothing was written")
        return 0
    file = _choose_file(stored, project) if out is None else _check_file(out)
    command = _command(file, project)
    check_writable(file.parent, "--out")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, write_next_space(stored, advice, project, command))
    for each in advice:
        print_text(f"- {each.text}")
    print_text(f"written: {format_path(file)}")
    print_text(f"search it: {command}")
    return 0


def _choose_file(stored: StoredSearch, project: Project | None) -> Path:
    """Returns the first file in the project that is not there: `tiny` is followed by `tiny_2`."""
    if project is None:
        raise ConfigError("--out", "the search is of no project; say where to write, --out DIR/space/NAME.yaml.")
    name = re.sub(r"_\d+$", "", str(stored.config.search.name))
    folder = project.root / "search_spaces" / _GROUP
    files = (folder / f"{name}_{number}.yaml" for number in itertools.count(2))
    return next(file for file in files if not file.exists())


def _check_file(out: Path) -> Path:
    file = out.expanduser().absolute()
    if file.parent.name != _GROUP or file.suffix != ".yaml":
        raise ConfigError("--out", f"got {out}; a space is a file in a folder {_GROUP}, DIR/{_GROUP}/NAME.yaml.")
    if file.exists():
        raise ConfigError("--out", f"{out} is there already; name another file, or remove it.")
    return file


def _command(file: Path, project: Project | None) -> str:
    """Returns what searches a space, from the working directory."""
    folder = file.parent.parent
    words = ["sesemi-search run", f"space={file.stem}"]
    if project is None or folder not in (project.root / "configs", project.root / "search_spaces"):
        words.append(f"--config-dir {quote_path(folder)}")
    if project is not None and find_project(None, None) != project:
        words.append(f"--project {quote_path(project.root)}")
    return " ".join(words)
