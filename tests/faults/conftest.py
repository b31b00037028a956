import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import end_all

PROJECT = Path(__file__).parents[1] / "project"


@pytest.fixture(scope="module", autouse=True)
def _end_all() -> Iterator[None]:
    """A module's searches run side by side, so they end with the module."""
    yield
    end_all()


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the test project, in a folder of its own."""
    root = tmp_path_factory.mktemp("faults") / "project"
    shutil.copytree(PROJECT, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "search"
