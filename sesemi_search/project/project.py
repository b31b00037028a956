"""The user's project and our own configs: where they are, and how their code becomes importable.

A project is a folder with `configs/` and `src/`, and by custom `search_spaces/`, `data/` and `runs/`. It is `--project
DIR`, else the project that a search directory remembers, else the nearest parent of the given config or of the working
directory that is one (or whose `experiments/` is one).
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sesemi_search.errors import ConfigError
from sesemi_search.project import sesemi_modules

__all__ = [
    "METRICS",
    "MODEL_CARD",
    "MODEL_FILES",
    "MODEL_JSON",
    "MODEL_PT",
    "MODEL_SAFETENSORS",
    "PROVENANCE",
    "Project",
    "activate",
    "check_writable",
    "find_project",
    "list_options",
    "project_path",
    "resource_dirs",
    "tutorial_configs",
]

PROVENANCE = "provenance.json"
METRICS = "metrics.json"  # of a final run
# Of a model: its weights, of which the first file that is there is read, and what it is built from.
MODEL_SAFETENSORS, MODEL_PT = MODEL_FILES = ("model.safetensors", "model.pt")
MODEL_JSON = "model.json"
MODEL_CARD = "README.md"


@dataclass(frozen=True)
class Project:
    """A user's folder of configs and code."""

    root: Path

    @property
    def config_dirs(self) -> list[Path]:
        """Folders of YAML, in the order in which they win."""
        return [folder for folder in (self.root / "configs", self.root / "search_spaces") if folder.is_dir()]

    @property
    def src(self) -> Path:
        """The folder that holds the user's packages."""
        return self.root / "src"


def activate(project: Project | None) -> None:
    """Makes SESEMI's names, and the project's code where there is one, importable in this process. Twice is once."""
    if project is not None and str(project.src) not in sys.path:
        sys.path.insert(0, str(project.src))
    sesemi_modules.install()


def find_project(given: Path | None, config_dir: Path | None, *, remembered: bool = True) -> Project | None:
    """Returns the project to use, or None where there is none.

    Args:
        given: What `--project` says; it must be a project.
        config_dir: What `--config-dir` says.
        remembered: A folder may say from which project it was made. A stranger's may say anything.

    Raises:
        ConfigError: `given` is not a project.
    """
    if given is not None:
        project = _project_at(given)
        if project is None:
            raise ConfigError(
                "--project", f"{given} is not a project; a project is a folder that has configs/ and src/."
            )
        return project
    for start in [Path.cwd()] if config_dir is None else [config_dir, Path.cwd()]:
        # Without its `..`, the parents of which are not the parents of the folder; links stay as they were typed.
        start = Path(os.path.normpath(start.absolute()))
        for folder in (start, *start.parents):
            project = _remembered_project(folder) if remembered else None
            project = project or _project_at(folder) or _project_at(folder / "experiments")
            if project is not None:
                return project
    return None


def project_path(project: Project | None, path: str) -> Path:
    """Returns a path of the config as an absolute one; a relative one starts at the project, else here.

    Raises:
        ConfigError: It begins with the `~` of a user that there is not.
    """
    try:
        return ((project.root if project else Path.cwd()) / Path(path).expanduser()).absolute()
    except RuntimeError as error:
        raise ConfigError("", f"got the path {path!r}: {error}") from error


def check_writable(folder: Path, key: str) -> None:
    """Sees that a folder is there and takes files, or can be made, by trying: nothing stays behind.

    Args:
        folder: The folder.
        key: The key that names it, for a message.

    Raises:
        ConfigError: It cannot.
    """
    try:
        nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
        with tempfile.TemporaryDirectory(prefix=".sesemi-search-", dir=nearest):
            pass
    except OSError as error:
        raise ConfigError(key, f"{folder} cannot be written: {error.strerror or error}.") from error


def resource_dirs() -> list[Path]:
    """Returns our own folders of YAML."""
    return [_resources() / "configs", _resources() / "search_spaces"]


def tutorial_configs() -> Path:
    """Returns the folder of the tutorial's experiment: with it the space over it can be searched from any folder."""
    return _resources() / "experiments" / "configs"


def list_options(group: str, folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Yields the options of a config group, those in folders of it too; the first folder that has a name wins."""
    seen: set[str] = set()
    for folder in folders:
        for file in sorted((folder / group).rglob("*.yaml")):
            name = file.relative_to(folder / group).with_suffix("").as_posix()
            if name not in seen and file.is_file():
                seen.add(name)
                yield name, file


def _resources() -> Path:
    """Returns where our YAML is: package data in an installed wheel, the top-level folders in a checkout."""
    package = Path(__file__).resolve().parents[1]
    packaged = package / "_resources"
    return packaged if packaged.is_dir() else package.parent


def _project_at(folder: Path) -> Project | None:
    """Returns the project whose root this folder is."""
    if (folder / "configs").is_dir() and (folder / "src").is_dir():
        return Project(folder.resolve())
    return None


def _remembered_project(folder: Path) -> Project | None:
    """Returns the project that a search or run directory was made from, where it still exists."""
    try:
        root = json.loads((folder / PROVENANCE).read_text())["project"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _project_at(Path(root)) if isinstance(root, str) else None
