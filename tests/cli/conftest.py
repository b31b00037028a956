import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the test project and of the tutorial's, in one folder of its own."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "tests" / "project", root, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("configs", "src"):
        shutil.copytree(ROOT / "experiments" / part, root / part, dirs_exist_ok=True)
    return root
