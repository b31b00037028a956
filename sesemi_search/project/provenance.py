"""Where a run or a search came from: code, versions, command line, project and machine, as `provenance.json`."""

import hashlib
import json
import os
import platform
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sesemi_search.project.project import Project

__all__ = ["describe_machine", "describe_provenance", "package_versions", "project_files"]

_PACKAGES = ("sesemi-search", "torch", "torchvision", "ray", "optuna", "hydra-core", "wandb", "numpy")


def describe_provenance(argv: Sequence[str], project: Project | None) -> str:
    """Returns the JSON text of what a run was made from; nothing in it is secret.

    Args:
        argv: The command line, without the program's name.
        project: The user's project; its git state is noted.
    """
    content = {
        "command": shlex.join(["sesemi-search", *argv]),
        "project": str(project.root) if project else None,
        "git": _git_state(project.root if project else Path.cwd()),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "packages": package_versions(),
        "files": project_files(project),
        **describe_machine(),
    }
    return json.dumps(content, indent=1) + "\n"


def describe_machine() -> dict[str, Any]:
    """Returns what is noted of the machine and its Python, as plain JSON."""
    return {
        "python": platform.python_version(),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "gpus": _gpus(),
    }


def package_versions() -> dict[str, str | None]:
    """Returns the versions of the packages that can change a trial's numbers; None for one that is not installed."""
    return {name: _version(name) for name in _PACKAGES}


def project_files(project: Project | None) -> dict[str, str]:
    """Returns the SHA-256 of each Python and YAML file of a project, by its path there."""
    if project is None:
        return {}
    folders = [(project.src, "*.py"), *((folder, "*.yaml") for folder in project.config_dirs)]
    files = sorted(file for folder, pattern in folders for file in folder.rglob(pattern) if file.is_file())
    return {str(file.relative_to(project.root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _git_state(folder: Path) -> dict[str, str | None] | None:
    """The commit, and a hash of what differs from it; None outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    diff = _git(folder, "diff", "HEAD", "--", ".")
    return {"commit": commit.strip(), "dirty_diff": hashlib.sha256(diff.encode()).hexdigest() if diff else None}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpus() -> list[Any]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
