import math
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState

from sesemi_search.search.directory import JOURNAL
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space
from tests.processes import read_trials

TOP1 = Objectives((Objective("val/top1", True),))
SPACE = Space(
    parse_space(
        {
            "lr": {"float": [0.001, 1], "log": True},
            "head": {"choice": {"a": {"_target_": "x.A"}, "b": {"_target_": "x.B", "scale": {"float": [1, 32]}}}},
        }
    )
)
TPE = {"_target_": "optuna.samplers.TPESampler", "multivariate": True, "group": True, "n_startup_trials": 3}
ASHA = {
    "_target_": "optuna.pruners.SuccessiveHalvingPruner",
    "min_resource": 1,
    "reduction_factor": 3,
    "min_early_stopping_rate": 0,
}


@pytest.fixture
def create(tmp_path: Path) -> Callable[[], Ledger]:
    return lambda: Ledger.create(tmp_path, "study", SPACE, sampler=TPE, pruner=ASHA, seed=1, objectives=TOP1)


@pytest.fixture
def reopen(tmp_path: Path) -> Callable[[], Ledger]:
    return lambda: Ledger.open(tmp_path, "study", SPACE, sampler=TPE, pruner=ASHA, seed=1, objectives=TOP1)


def test_each_outcome_has_the_state_that_the_sampler_should_see(create: Callable[[], Ledger], tmp_path: Path) -> None:
    ledger = create()
    states = {
        Outcome.complete: TrialState.COMPLETE,
        Outcome.stopped: TrialState.PRUNED,
        Outcome.diverged: TrialState.PRUNED,
        Outcome.infeasible: TrialState.PRUNED,
        Outcome.out_of_memory: TrialState.PRUNED,
        Outcome.timed_out: TrialState.PRUNED,
        Outcome.error: TrialState.FAIL,
        Outcome.lost: TrialState.FAIL,
        Outcome.interrupted: TrialState.WAITING,
    }
    for outcome in states:
        number = ledger.ask().number
        ledger.report(number, 1, 0.5, {"val/top1": 0.5})
        ledger.tell(number, outcome)
    assert [t.state for t in read_trials(tmp_path)] == list(states.values())
    assert [r.outcome for r in ledger.records()] == list(states)


def test_a_stopped_trial_keeps_its_reports_and_metrics(create: Callable[[], Ledger], tmp_path: Path) -> None:
    ledger = create()
    number = ledger.ask().number
    for epoch in (1, 2):
        ledger.report(number, epoch, 0.1 * epoch, {"val/top1": 0.1 * epoch, "val/loss": 2.0, "epoch_seconds": 1.5})
    ledger.tell(number, Outcome.stopped)
    trial = read_trials(tmp_path)[0]
    assert trial.intermediate_values == {1: 0.1, 2: 0.2}
    record = ledger.record(number)
    assert record.metrics[2]["val/loss"] == 2.0
    assert (record.seconds, record.epochs, record.value) == (3.0, 2, 0.2)


def test_a_diverged_trial_keeps_its_nan_and_is_never_the_best(create: Callable[[], Ledger]) -> None:
    ledger = create()
    number = ledger.ask().number
    ledger.report(number, 1, 0.9, {"val/top1": 0.9})
    ledger.report(number, 2, math.nan, {"val/loss": math.nan})
    ledger.tell(number, Outcome.diverged)
    assert math.isnan(ledger.record(number).value)
    assert ledger.record(number).metrics[2] == {"val/loss": None}
    assert ledger.best() is None


def test_an_epoch_is_recorded_once(create: Callable[[], Ledger]) -> None:
    ledger = create()
    number = ledger.ask().number
    assert ledger.report(number, 1, 0.5, {})
    assert not ledger.report(number, 1, 0.7, {})
    assert ledger.record(number).values == {1: 0.5}


def test_a_trial_goes_on_under_its_number_after_its_driver_died(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger]
) -> None:
    dead = create()
    before = dead.ask()
    dead.report(0, 1, 0.5, {"val/top1": 0.5})
    ledger = reopen()
    assert ledger.unfinished() == [0]
    record = ledger.adopt(0)
    assert (record.number, record.params, record.values, record.attempts) == (0, before.params, {1: 0.5}, 2)
    ledger.report(0, 2, 0.6, {})
    ledger.tell(0, Outcome.complete)
    assert ledger.record(0).value == 0.6
    assert len(ledger) == 1


def test_an_interrupted_trial_goes_on_under_its_number(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger]
) -> None:
    ledger = create()
    params = ledger.ask().params
    ledger.tell(0, Outcome.interrupted)
    assert ledger.unfinished() == [0]
    again = reopen()
    assert again.adopt(0).params == params
    again.report(0, 1, 0.5, {})
    again.tell(0, Outcome.complete)
    assert [r.outcome for r in again.records()] == [Outcome.complete]


def test_parameters_that_a_dying_driver_left_open_are_asked_again(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger], tmp_path: Path
) -> None:
    undisturbed = create().ask().params
    journal = tmp_path / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if b'"param_name"' in line)
    journal.write_bytes(b"".join(lines[: first + 1]))
    assert reopen().adopt(0).params == undisturbed


def test_a_reopened_ledger_asks_what_the_undisturbed_one_would_have(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger], tmp_path: Path
) -> None:
    def run(ledger: Ledger, count: int) -> None:
        for _ in range(count):
            record = ledger.ask()
            value = -abs(math.log10(record.params["lr"]) + 1)
            ledger.report(record.number, 1, value, {})
            ledger.tell(record.number, Outcome.complete)

    ledger = create()
    run(ledger, 8)
    undisturbed = [r.params for r in ledger.records()]
    (tmp_path / JOURNAL).unlink()
    run(create(), 5)
    again = reopen()
    run(again, 3)
    assert [r.params for r in again.records()] == undisturbed


def test_two_asks_in_a_row_differ(create: Callable[[], Ledger]) -> None:
    ledger = create()
    assert ledger.ask().params["lr"] != ledger.ask().params["lr"]


def test_the_pruner_judges_a_report_once(create: Callable[[], Ledger]) -> None:
    ledger = create()
    for value in (0.9, 0.8, 0.1):
        number = ledger.ask().number
        ledger.report(number, 1, value, {})
        pruned = ledger.should_prune(number, 1)
    assert pruned
    assert not ledger.should_prune(number, 0)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_dropped(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger], tmp_path: Path, cut: int
) -> None:
    ledger = create()
    ledger.ask()
    ledger.tell(0, Outcome.stopped)
    ledger.ask()
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-cut])
    (tmp_path / f"{JOURNAL}.lock").symlink_to(journal)
    again = reopen()
    assert again.record(0).outcome is Outcome.stopped
    for number in again.unfinished():
        again.adopt(number)
    again.ask()
    assert len(read_trials(tmp_path)) == len(again)


def test_release_leaves_none_running(create: Callable[[], Ledger], tmp_path: Path) -> None:
    ledger = create()
    ledger.ask()
    ledger.ask()
    ledger.release()
    assert {t.state for t in read_trials(tmp_path)} == {TrialState.WAITING}


def test_the_best_is_the_best_last_value_among_complete_trials(create: Callable[[], Ledger]) -> None:
    ledger = create()
    for values, outcome in [
        ([0.99, 0.7], Outcome.complete),
        ([0.5, 0.8], Outcome.complete),
        ([0.95], Outcome.stopped),
        ([0.1, 0.8], Outcome.complete),
    ]:
        number = ledger.ask().number
        for epoch, value in enumerate(values, 1):
            ledger.report(number, epoch, value, {})
        ledger.tell(number, outcome)
    best = ledger.best()
    assert best is not None
    assert (best.number, best.value) == (1, 0.8)


def test_any_optuna_storage_serves(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    ledger = Ledger.create(
        tmp_path,
        "s",
        SPACE,
        sampler=TPE,
        pruner=ASHA,
        seed=1,
        objectives=Objectives((Objective("val/loss", False),)),
        storage=url,
    )
    ledger.ask()
    ledger.report(0, 1, 0.5, {})
    ledger.tell(0, Outcome.complete)
    again = Ledger.open(tmp_path, "s", SPACE, sampler=TPE, pruner=ASHA, seed=1, objectives=TOP1, storage=url)
    assert again.record(0).value == 0.5


def test_an_epoch_whose_report_a_crash_prevented_is_recorded_again(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger], tmp_path: Path
) -> None:
    ledger = create()
    ledger.ask()
    ledger.report(0, 1, 0.5, {"val/top1": 0.5})
    journal = tmp_path / JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    again = reopen()
    assert again.adopt(0).values == {}
    assert again.report(0, 1, 0.5, {"val/top1": 0.5})
    again.tell(0, Outcome.complete)
    assert again.record(0).value == 0.5


def test_a_trial_whose_outcome_was_written_but_not_told_is_ended_on_resume(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger], tmp_path: Path
) -> None:
    ledger = create()
    ledger.ask()
    ledger.report(0, 1, 0.5, {})
    ledger.tell(0, Outcome.stopped)
    journal = tmp_path / JOURNAL
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    again = reopen()
    assert again.record(0).outcome is Outcome.running
    again.settle()
    assert again.record(0).outcome is Outcome.stopped
    assert again.unfinished() == []


def test_a_sampler_that_has_tried_everything_ends_the_asking(tmp_path: Path) -> None:
    space = Space(parse_space({"width": {"choice": [1, 2]}}))
    sampler = {"_target_": "optuna.samplers.BruteForceSampler"}
    ledger = Ledger.create(tmp_path, "s", space, sampler=sampler, pruner=ASHA, seed=1, objectives=TOP1)
    for _ in range(2):
        number = ledger.ask().number
        ledger.report(number, 1, 0.5, {})
        ledger.tell(number, Outcome.complete)
    assert ledger.is_exhausted
    assert [r.outcome for r in ledger.records()] == [Outcome.complete] * 2


def test_a_verdict_that_a_dying_driver_did_not_carry_out_is_given_again(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger], tmp_path: Path
) -> None:
    ledger = create()
    for value in (0.9, 0.8):
        number = ledger.ask().number
        ledger.report(number, 1, value, {})
        assert not ledger.should_prune(number, 1) or value == 0.8
    bad, good = ledger.ask().number, ledger.ask().number
    ledger.report(bad, 1, 0.1, {})
    ledger.report(good, 1, 0.95, {})
    assert ledger.should_prune(bad, 1)
    assert not ledger.should_prune(good, 1)
    again = reopen()
    for number in again.unfinished():
        again.adopt(number)
    before = (tmp_path / JOURNAL).read_bytes()
    assert again.should_prune(bad, 1)
    assert not again.should_prune(good, 1)
    assert (tmp_path / JOURNAL).read_bytes() == before


def test_a_trial_that_had_passed_a_rung_with_the_same_value_is_not_judged_there_again(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger]
) -> None:
    ledger = create()
    number = ledger.ask().number
    ledger.report(number, 1, 0.5, {})
    assert not ledger.should_prune(number, 1)
    for value in (0.6, 0.7, 0.8):
        better = ledger.ask().number
        ledger.report(better, 1, value, {})
        assert not ledger.should_prune(better, 1)
    ledger.report(number, 2, 0.5, {})
    assert not ledger.should_prune(number, 2)
    again = reopen()
    again.adopt(number)
    assert not again.should_prune(number, 2)


def test_a_lost_verdict_is_given_again_even_of_a_value_that_was_there_before(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger]
) -> None:
    ledger = create()
    number = ledger.ask().number
    for epoch in (1, 2):
        ledger.report(number, epoch, 0.85, {})
        assert not ledger.should_prune(number, epoch)
    better = ledger.ask().number
    for epoch in (1, 2, 3):
        ledger.report(better, epoch, 0.9, {})
        assert not ledger.should_prune(better, epoch)
    ledger.tell(better, Outcome.interrupted)
    ledger.report(number, 3, 0.85, {})
    assert ledger.should_prune(number, 3)
    again = reopen()
    again.adopt(better)
    again.adopt(number)
    assert again.should_prune(number, 3)


def test_an_outcome_whose_telling_failed_stays_when_the_running_trials_are_released(
    create: Callable[[], Ledger], reopen: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = create()
    ended, running = ledger.ask().number, ledger.ask().number
    ledger.report(ended, 1, 0.5, {"val/top1": 0.5})

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("optuna.Study.tell", fail)
        with pytest.raises(OSError, match="No space"):
            ledger.tell(ended, Outcome.stopped)
    reopen().release()
    again = reopen()
    again.settle()
    assert again.record(ended).outcome is Outcome.stopped
    assert again.unfinished() == [running]
