"""A search read from Python: on made-up ledgers, while it runs, and after it was killed."""

import fcntl
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

import sesemi_search
from sesemi_search.errors import ConfigError
from sesemi_search.report.summary import State
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord
from tests.made_up_search import SCRIPT, make_up_scripted_search, make_up_search, trial

TRIALS = (
    trial(0, [0.3, 0.5, 0.7], origin=Origin.baseline),
    trial(1, [0.4], Outcome.stopped),
    trial(2, [0.5, 0.6, 0.9], lr=0.2),
    trial(3, [0.5, math.nan], Outcome.diverged),
    trial(4, [], Outcome.error, message='Traceback:\n  File "a.py", line 1, in f\nValueError: no'),
    trial(5, [0.2, 0.3], Outcome.running),
)
TRIALS_WITHOUT_LOSS = 2  # the diverged one and the one that failed
FACTS = ["number", "outcome", "value", "epochs", "seconds"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return make_up_search(tmp_path / "made-up", TRIALS)


@pytest.fixture
def at_work(directory: Path) -> Iterator[Path]:
    """The same, its driver at work."""
    with (directory / "driver.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield directory


def snapshot(directory: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in directory.rglob("*")}


def test_trials_are_a_row_each_with_a_column_a_parameter(directory: Path) -> None:
    trials = sesemi_search.open_search(directory).trials
    params = ["out_features", "head", "dropout", "lr", "scale"]
    assert list(trials) == [*FACTS, *params, "num_params", "flops"]
    assert list(trials.number) == [0, 1, 2, 3, 4, 5]
    assert list(trials.outcome) == ["complete", "stopped", "complete", "diverged", "error", "orphaned"]
    assert list(trials.value[:3]) == [0.7, 0.4, 0.9]
    assert trials.value[3:5].isna().all()
    assert list(trials.epochs) == [3, 1, 3, 2, 0, 2]
    assert list(trials.seconds) == [1.5, 0.5, 1.5, 1.0, 0.0, 1.0]
    assert list(trials["head"]) == ["linear", "scaled"] * 3
    assert trials.scale.isna().tolist() == [True, False] * 3
    assert list(trials.num_params) == [1000, 1001, 1002, 1003, 1004, 1005]


def test_curves_are_a_row_an_epoch_of_a_trial(directory: Path) -> None:
    curves = sesemi_search.open_search(directory).curves
    assert list(curves) == ["number", "epoch", "val/top1", "train/loss", "lr", "epoch_seconds"]
    assert list(curves[curves.number == 0]["val/top1"]) == [0.3, 0.5, 0.7]
    assert list(curves[curves.number == 5].epoch) == [1, 2]
    assert len(curves) == sum(record.epochs for record in TRIALS)


def test_the_best_is_the_best_complete_one_and_its_config_can_be_had(directory: Path) -> None:
    search = sesemi_search.open_search(str(directory))
    assert search.best is not None
    assert (search.best.number, search.best.value, search.best.params["lr"]) == (2, 0.9, 0.2)
    assert search.config() == search.config(2)
    assert search.config()["learner"]["hparams"]["optimizer"]["lr"] == 0.2
    assert search.config(1)["learner"]["hparams"]["model"]["head"]["scale"] == 3.0
    for number in (6, -1):
        with pytest.raises(ConfigError, match="has 6 trials"):
            search.config(number)


def test_the_study_is_a_copy_that_leaves_the_ledger_alone(directory: Path) -> None:
    before = snapshot(directory)
    study = sesemi_search.open_search(directory).study
    assert study.best_trial.number == 2
    assert [t.state.name for t in study.trials] == ["COMPLETE", "PRUNED", "COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    assert study.best_trial.params == dict(TRIALS[2].params)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    assert snapshot(directory) == before


def test_reading_writes_no_file(directory: Path) -> None:
    before = snapshot(directory)
    search = sesemi_search.open_search(directory)
    assert len(search.trials) == len(search.study.trials) == 6
    search.curves, search.best, search.config(), search.importances(), search._repr_html_()
    assert snapshot(directory) == before


def test_a_search_that_runs_is_read_and_its_driver_keeps_its_lock(at_work: Path) -> None:
    search = sesemi_search.open_search(at_work)
    assert search.summary.state is State.running
    assert list(search.trials.outcome)[-1] == "running"
    with (at_work / "driver.lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_search_that_was_killed_in_an_append_is_read(directory: Path) -> None:
    with (directory / "study.journal").open("ab") as file:
        file.write(b'{"op_code":8,"worker_id":"x","trial_id":5,"user_at')
    (directory / "study.journal.lock").symlink_to(directory / "study.journal")
    search = sesemi_search.open_search(directory)
    assert search.summary.state is State.stopped
    assert len(search.trials) == 6


def test_what_a_finished_search_was_asked_for_is_there(tmp_path: Path) -> None:
    records = [trial(number, [0.5, 0.6, 0.7]) for number in range(3)]
    for num_trials, state in ((3, State.finished), (4, State.stopped)):
        directory = make_up_search(tmp_path / f"asked-{num_trials}", records, f"search.num_trials={num_trials}")
        assert sesemi_search.open_search(directory).summary.state is state


@pytest.mark.parametrize("records", [[], [trial(0, [], Outcome.error, message="no")], [trial(0, [0.5])], TRIALS[3:5]])
def test_a_search_without_a_best_or_with_one_trial_is_read(records: list[TrialRecord], tmp_path: Path) -> None:
    records = [trial(n, list(r.values.values()), r.outcome, message=r.message) for n, r in enumerate(records)]
    search = sesemi_search.open_search(make_up_search(tmp_path / "made-up", records))
    has_best = any(record.outcome is Outcome.complete for record in records)
    assert (search.best is not None) == has_best
    assert list(search.trials)[:5] == FACTS
    assert len(search.trials) == len(records)
    assert len(search.curves) == sum(record.epochs for record in records)
    assert search.importances() == {}
    assert "none complete" in repr(search) or has_best
    assert search._repr_html_()
    if not has_best:
        with pytest.raises(ConfigError, match="no best trial"):
            search.config()


def test_further_objectives_are_columns_of_their_own(tmp_path: Path) -> None:
    overrides = ("search.metric=[val/top1,num_params,train/loss]", "search.mode=[max,min,min]")
    search = sesemi_search.open_search(make_up_search(tmp_path / "made-up", TRIALS, *overrides))
    assert list(search.trials)[:6] == [*FACTS[:3], "train/loss", *FACTS[3:]]
    assert search.trials["train/loss"][2] == pytest.approx(0.1)
    assert list(search.trials).count("num_params") == 1
    assert search.study.directions[0].name == "MAXIMIZE"


def test_importances_find_the_parameter_that_matters_those_of_an_option_among_them(tmp_path: Path) -> None:
    rates = [10 ** (-2 + 2 * (i * 37 % 40) / 40) for i in range(40)]
    records = [trial(i, [0.1, 0.2, 1 - abs(math.log10(lr) + 1) / 2], lr=lr) for i, lr in enumerate(rates)]
    importances = sesemi_search.open_search(make_up_search(tmp_path / "made-up", records)).importances()
    assert next(iter(importances)) == "lr"
    assert set(importances) == {"out_features", "head", "dropout", "lr", "scale"}
    assert sum(importances.values()) == pytest.approx(1)


def test_a_parameter_with_the_name_of_a_fact_has_its_whole_name(tmp_path: Path) -> None:
    from sesemi_search.report.trial_rows import make_rows
    from sesemi_search.search.ledger.objectives import Objective, Objectives
    from sesemi_search.space.parse import parse_space
    from sesemi_search.space.space import Space

    space = Space(parse_space({"a": {"epochs": {"int": [1, 9]}}, "b": {"lr": {"int": [1, 9]}}}))
    record = TrialRecord(0, {"a.epochs": 7, "b.lr": 1}, {}, {}, Outcome.running)
    (row,) = make_rows([record], space, Objectives((Objective("val/top1", True),)))
    assert row.params == {"a.epochs": 7, "lr": 1}


def test_names_from_anybody_are_text_in_a_notebook(tmp_path: Path) -> None:
    search = sesemi_search.open_search(make_up_scripted_search(tmp_path))
    assert search.trials["head"][0] == SCRIPT
    page = search._repr_html_()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page


def test_opening_a_search_imports_neither_torch_nor_ray(directory: Path) -> None:
    code = f"""
import sys, sesemi_search
search = sesemi_search.open_search({str(directory)!r})
search.trials, search.curves, search.best, search.config(), search.study, search.importances(), search._repr_html_()
print([name for name in ("torch", "ray", "wandb") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]", done.stderr


def test_what_is_no_search_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no search"):
        sesemi_search.open_search(tmp_path)


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ('{"num_params":1002}', '{"num_params":"<b>"}'),
        ('"train/loss":0.30000000000000004,', '"train/loss":{"_type":"x"},'),
    ],
)
def test_a_ledger_with_values_that_are_no_numbers_is_read(written: str, instead: str, tmp_path: Path) -> None:
    overrides = ("search.metric=[val/top1,train/loss,num_params]", "search.mode=[max,min,min]")
    directory = make_up_search(tmp_path / "made-up", TRIALS, *overrides)
    journal = directory / "study.journal"
    assert written in journal.read_text()
    journal.write_text(journal.read_text().replace(written, instead))
    search = sesemi_search.open_search(directory)
    assert search.best is not None
    assert search.trials[["num_params", "train/loss"]].isna().sum().sum() == TRIALS_WITHOUT_LOSS + 1


def test_a_ledger_whose_reports_are_no_numbers_is_one_message(directory: Path) -> None:
    journal = directory / "study.journal"
    journal.write_text(journal.read_text().replace('"intermediate_value":0.9', '"intermediate_value":"<b>"'))
    with pytest.raises(ConfigError, match="the ledger cannot be read"):
        sesemi_search.open_search(directory)
