import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the test project and of the tutorial's, in one folder of its own."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "tests" / "project", root, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("configs", "src"):
        shutil.copytree(ROOT / "experiments" / part, root / part, dirs_exist_ok=True)
    return root


@pytest.fixture
def command(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command line in this process, from inside the project; gives its exit code and all that it printed."""
    monkeypatch.chdir(project)

    def run(*argv: str) -> tuple[int, str]:
        try:
            code = main(argv)
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    return run
