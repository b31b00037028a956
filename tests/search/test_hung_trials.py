"""Trials that report nothing any more, as the session sees them; `tests/faults/test_hangs.py` has real ones."""

from pathlib import Path

from sesemi_search.search.directory import error_file, trial_dir
from sesemi_search.search.ledger.records import LossKind, Outcome, TrialReport, WorkerLoss
from sesemi_search.search.stopping import Stop, StopKind
from sesemi_search.search.watchdog import Watchdog
from tests.search.clock import Clock
from tests.search.told_search import metrics, open_session

TIMEOUT_S = 2.0


def test_a_trial_that_takes_too_long_over_an_epoch_has_timed_out_and_is_not_tried_again(
    project: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "search"
    clock = Clock()
    session, ledger = open_session(project, directory, "search/pruner=none", watchdog=Watchdog(TIMEOUT_S, 60, clock))
    assert [session.next_trial(), session.next_trial()] == [0, 1]
    assert session.end_hung([0, 1]) == []
    assert session.epoch_ended(TrialReport(0, 1, metrics(0.5)))
    (trial_dir(directory, 0) / "checkpoint.pt").touch()
    clock.wait(TIMEOUT_S / 2)
    assert session.end_hung([0, 1]) == []
    session.epoch_ended(TrialReport(1, 1, metrics(0.5)))
    clock.wait(TIMEOUT_S * 0.75)
    assert session.end_hung([0, 1]) == [0]
    record = ledger.record(0)
    assert (record.outcome, record.epochs, record.num_lost) == (Outcome.timed_out, 1, 0)
    assert error_file(directory, 0).read_text() == (
        "search.epoch_timeout: epoch 2 had not ended after 2 s, and its worker was ended"
    )
    assert not (trial_dir(directory, 0) / "checkpoint.pt").exists()
    session.worker_lost(0, WorkerLoss(LossKind.died, "killed"))  # which it was
    assert ledger.record(0).outcome is Outcome.timed_out
    assert session.running == [1]
    assert session.next_trial() == 2


def test_a_trial_that_does_not_end_its_epoch_when_the_search_stops_is_left_to_be_resumed(
    project: Path, tmp_path: Path, said: list[str]
) -> None:
    clock = Clock()
    watchdog = Watchdog(None, TIMEOUT_S, clock)
    session, ledger = open_session(project, tmp_path / "search", "search/pruner=none", watchdog=watchdog)
    assert session.next_trial() == 0
    session.end_hung([0])
    session.request_stop(Stop(StopKind.signal, "SIGINT"))
    assert session.end_hung([0]) == []
    clock.wait(TIMEOUT_S * 1.5)
    assert session.end_hung([0]) == [0]
    assert (ledger.record(0).outcome, ledger.record(0).num_lost) == (Outcome.interrupted, 0)
    assert "trial 0 does not end its epoch" in said[-1] + said[-2]


def test_a_worker_that_ran_out_of_memory_ends_its_trial_and_costs_no_attempt(project: Path, tmp_path: Path) -> None:
    session, ledger = open_session(project, tmp_path / "search")
    assert session.next_trial() == 0
    session.worker_lost(0, WorkerLoss(LossKind.out_of_memory, "Ray says so"))
    assert (ledger.record(0).outcome, ledger.record(0).num_lost) == (Outcome.out_of_memory, 0)
