"""The tutorial page: its files are a project, and its commands print what it says."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
FILES = re.findall(r"^`((?:src|configs|search_spaces)/\S+)`:\n\n```\w+\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project that the page makes."""
    root = tmp_path / "shapes"
    for name, text in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_check_prints_what_the_page_shows(command: Callable[..., tuple[int, str]]) -> None:
    assert len(FILES) == 3
    code, printed = command("check", "space=digits")
    assert code == 0, printed
    (shown,) = re.findall(r"^    (digits: 5 dimensions.*?2 branches: OK)", PAGE, re.MULTILINE | re.DOTALL)
    words = shown.split()
    assert printed.split()[: len(words)] == words


@pytest.mark.slow
def test_the_project_is_searched_and_its_best_config_trained(command: Callable[..., tuple[int, str]]) -> None:
    directory = "search.dir=found"
    code, printed = command("run", "space=digits", "search.num_trials=3", "run.num_epochs=2", directory)
    assert code == 0, printed
    assert "report:         found/report.html" in printed
    code, printed = command("train", "found", "tracking=none")
    assert code == 0, printed
    assert "test/top1" in printed
