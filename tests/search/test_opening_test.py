"""Trying a trial leaves the test split closed; whatever opens it is counted with the search."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sesemi_search.cli import main
from sesemi_search.final.openings import OPENINGS

Train = Callable[..., str]


@pytest.fixture
def train(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Train:
    """Trains through the verb, with runs in a folder of their own; gives what it printed."""

    def run(*argv: object) -> str:
        code = main(["train", *map(str, argv), f"run.dir={tmp_path / 'runs'}", "tracking=none"])
        captured = capfd.readouterr()
        assert code == 0, captured.out + captured.err
        return captured.out + captured.err

    return run


def openings(directory: Path) -> int:
    file = directory / OPENINGS
    return len(file.read_text().splitlines()) if file.exists() else 0


def run_dir(output: str) -> Path:
    return Path(output.strip().splitlines()[-1].removeprefix("run directory: "))


def test_a_trial_is_closed_by_its_config_and_the_best_open(finished_copy: Path) -> None:
    for file in finished_copy.glob("trials/*/config.yaml"):
        assert yaml.safe_load(file.read_text())["run"]["test"] is False
    best = (finished_copy / "best.yaml").read_text()
    assert yaml.safe_load(best)["run"]["test"] is True
    assert best.startswith("# Trial 0")


def test_trying_a_trial_says_how_to_open_test_and_that_does(finished_copy: Path, train: Train) -> None:
    said = train(finished_copy, "--trial", "0")
    folder = run_dir(said)
    assert "test       not opened: run.test is false. To score this model on it:" in said
    assert json.loads((folder / "metrics.json").read_text())["test"] is None
    assert (folder / "model.pt").exists()
    command = next(line for line in said.splitlines() if line.startswith("  sesemi-search train "))
    assert "test/top1  0." in train(*command.split()[2:])
    assert openings(finished_copy) == 0
    assert openings(folder.parents[1]) == 1


def test_what_opens_test_is_counted_with_the_search_and_told(finished_copy: Path, train: Train) -> None:
    assert "has been opened" not in train(finished_copy)
    assert "test has been opened once before: " in train("--config-dir", finished_copy, "--config-name", "best")
    assert "test has been opened twice before: " in train(finished_copy, "--trial", "1", "run.test=true")
    assert openings(finished_copy) == 3
    assert "has been opened" not in train(finished_copy, "--trial", "1"), "what does not open it need not be told"


def test_removing_a_search_removes_its_count(finished_copy: Path, train: Train) -> None:
    train(finished_copy)
    assert main(["remove", str(finished_copy), "--yes"]) == 0
    assert not finished_copy.exists()


def test_a_search_that_takes_no_file_leaves_the_count_to_the_runs(
    finished_copy: Path, train: Train, tmp_path: Path
) -> None:
    (finished_copy / OPENINGS).mkdir()
    train(finished_copy)
    assert openings(tmp_path / "runs") == 1
    assert "test has been opened once before: " in train(finished_copy)
    shutil.rmtree(finished_copy / OPENINGS)
