"""`reproduce`: a trial run again, held against the ledger."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.cli import main
from sesemi_search.project.project import PROVENANCE
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.result import SearchResult
from tests.search.told_search import open_session

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def reproduce(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs the verb; gives its exit code and all that it printed."""

    def run(*argv: object) -> tuple[int, str]:
        code = main(["reproduce", *map(str, argv)])
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    return run


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("outcome", [Outcome.complete, Outcome.stopped])
def test_a_trial_comes_out_equal_to_the_bit_and_nothing_is_written(
    finished: SearchResult, reproduce: Command, outcome: Outcome
) -> None:
    record = next((each for each in finished.records if each.outcome is outcome), None)
    if record is None:
        pytest.skip(f"no trial of the search is {outcome}")
    before = files(finished.directory)
    code, said = reproduce(finished.directory, f"trial={record.number}")
    assert (code, f"equal to the bit in all {record.epochs} epochs: train/loss" in said) == (0, True), said
    assert files(finished.directory) == before


def test_by_default_it_is_the_best(finished: SearchResult, reproduce: Command) -> None:
    assert finished.best is not None
    assert f"trial {finished.best.number} again" in reproduce(finished.directory)[1]


def test_a_trial_that_diverged_diverges_again(troubled: SearchResult, reproduce: Command) -> None:
    record = next(each for each in troubled.records if each.outcome is Outcome.diverged)
    code, said = reproduce(troubled.directory, "--trial", record.number)
    assert (code, "equal to the bit" in said) == (0, True), said


def test_a_trial_without_an_epoch_cannot_be_compared(project: Path, tmp_path: Path, reproduce: Command) -> None:
    session, _ = open_session(project, tmp_path / "search")
    assert session.next_trial() == 0
    code, said = reproduce(tmp_path / "search", "trial=0")
    assert (code, "trial 0 has no epoch to compare with: it is " in said) == (2, True), said


def test_the_first_epoch_that_differs_is_shown_with_what_has_changed(finished_copy: Path, reproduce: Command) -> None:
    config = finished_copy / "trials" / "0000" / "config.yaml"
    lines = config.read_text().splitlines()
    changed = ["  seed: 12345" if line.startswith("  seed:") else line for line in lines]
    config.write_text("\n".join(changed))
    provenance = json.loads((finished_copy / PROVENANCE).read_text())
    provenance["packages"]["torch"], provenance["host"] = "1.0", "elsewhere"
    (finished_copy / PROVENANCE).write_text(json.dumps(provenance))
    code, said = reproduce(finished_copy, "trial=0")
    assert code == 1
    assert "epoch 1 is the first that differs:" in said
    assert "train/loss" in said
    assert "- torch was 1.0, is " in said
    assert "- host was elsewhere, is " in said
    assert "- config.yaml of the trial was changed" in said


@pytest.mark.parametrize("word", ["trial=x", "run.seed=1", "17"])
def test_it_takes_a_trial_and_nothing_else(finished: SearchResult, reproduce: Command, word: str) -> None:
    code, said = reproduce(finished.directory, word)
    assert (code, "it takes trial=NUMBER and nothing else" in said) == (2, True)


def test_there_is_no_such_trial(finished: SearchResult, reproduce: Command) -> None:
    assert reproduce(finished.directory, "trial=99")[0] == 2
