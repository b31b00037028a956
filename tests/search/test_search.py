"""Whole searches on real Ray workers."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from sesemi_search.config.experiment import load_experiment, type_experiment
from sesemi_search.errors import ConfigError
from sesemi_search.final.train import train
from sesemi_search.models.classifier import build_classifier
from sesemi_search.report.search import open_search
from sesemi_search.report.summary import State
from sesemi_search.search.directory import trial_dir
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.result import SearchResult
from sesemi_search.search.tracked_run import run_summary
from sesemi_search.tracking.tracker import Trackers
from tests.processes import read_trials
from tests.search.recorder import Recorder

RunSearch = Callable[..., SearchResult]
BACKBONE = "space.learner.hparams.model.backbone"
LR = "space.learner.hparams.optimizer.lr"


def test_plain_optuna_sees_every_trial_ended_and_every_report_kept(finished: SearchResult) -> None:
    trials = read_trials(finished.directory)
    states = Counter(t.state.name for t in trials)
    assert set(states) == {"COMPLETE", "PRUNED"}
    assert sum(states.values()) == 9
    for trial in trials:
        epochs = sorted(trial.intermediate_values)
        assert epochs == list(range(1, len(epochs) + 1))
        assert len(epochs) == 3 if trial.state.name == "COMPLETE" else 1 <= len(epochs) < 3
        assert trial.value == trial.intermediate_values[epochs[-1]]


def test_the_ledger_has_what_the_trial_measured(finished: SearchResult) -> None:
    for record in finished.records:
        config = type_experiment(load_experiment(trial_dir(finished.directory, record.number) / "config.yaml"))
        model = config.learner.hparams.model
        classifier = build_classifier(model.backbone, model.head, config.learner.hparams.num_classes)
        assert record.num_params == sum(parameter.numel() for parameter in classifier.parameters())
        assert record.flops > 0
        assert record.node
        assert record.attempts == 1
        assert set(record.metrics[1]) >= {"train/loss", "train/top1", "val/loss", "val/top1", "lr", "epoch_seconds"}
        assert record.metrics[record.epochs]["val/top1"] == record.value


def test_what_is_opened_afterwards_is_what_the_search_came_to(finished: SearchResult) -> None:
    search = open_search(finished.directory)
    assert search.summary.state is State.finished
    assert finished.best is not None
    assert search.best is not None
    assert (search.best.number, search.best.value) == (finished.best.number, finished.best.value)
    assert search.summary.baseline is not None
    assert search.summary.seconds > 0
    assert list(search.trials.number) == [record.number for record in finished.records]
    assert len(search.curves) == sum(record.epochs for record in finished.records)
    best = load_experiment(finished.directory / "best.yaml")
    assert search.config()["learner"] == best["learner"]


def test_trackers_see_each_trial_start_log_and_end_in_order(finished: SearchResult, recorder: Recorder) -> None:
    for record in finished.records:
        events = [event for event in recorder.events if event[1:2] == (record.number,)]
        logs = [("log", record.number, epoch) for epoch in range(1, record.epochs + 1)]
        assert events == [("start", record.number), *logs, ("end", record.number, record.outcome.value)]
    start = recorder.starts[0]
    assert (start.group, start.job_type, start.run_id) == ("tiny-test", "trial", "tiny-test-0000")
    assert set(start.params) <= {"head", "lr", "out_features", "dropout", "scale"}
    assert start.config["lr"] == start.params["lr"]


def test_the_directory_holds_what_the_design_says_and_no_pickle(finished: SearchResult) -> None:
    directory = finished.directory
    names = {path.name for path in directory.iterdir()}
    assert names == {
        "search.log",
        "search.yaml",
        "study.journal",
        "trials",
        "best.yaml",
        "provenance.json",
        "driver.lock",
    }
    assert sorted(path.name for path in (directory / "trials").iterdir()) == [f"{i:04d}" for i in range(9)]
    kept = {path.name for path in directory.rglob("*") if path.is_file()} - names
    assert kept == {"config.yaml", "checkpoint.pt"}


def test_checkpoints_stay_for_the_best_complete_trials_only(finished: SearchResult) -> None:
    complete = [r for r in finished.records if r.outcome is Outcome.complete]
    best = sorted(complete, key=lambda r: (-r.value, r.number))[:3]
    holders = {int(path.parent.name) for path in finished.directory.glob("trials/*/checkpoint.pt")}
    assert holders == {r.number for r in best}


def test_every_trial_runs_again_from_its_config_with_the_same_numbers(finished: SearchResult, tmp_path: Path) -> None:
    for record in finished.records[:3]:
        config = type_experiment(load_experiment(trial_dir(finished.directory, record.number) / "config.yaml"))
        train(config, tmp_path / str(record.number), Trackers([]))
        again = yaml.safe_load((tmp_path / str(record.number) / "metrics.json").read_text())["epochs"]
        for epoch, metrics in record.metrics.items():
            for name in ("train/loss", "val/loss", "val/top1"):
                assert again[epoch - 1][name] == metrics[name]


def test_best_yaml_is_the_config_of_the_best_complete_trial(finished: SearchResult) -> None:
    complete = [r for r in finished.records if r.outcome is Outcome.complete]
    assert finished.best.value == max(r.value for r in complete)
    trial = trial_dir(finished.directory, finished.best.number) / "config.yaml"
    config = yaml.safe_load(trial.read_text())
    config["run"]["test"] = True  # it is the one that the test split is for
    assert yaml.safe_load((finished.directory / "best.yaml").read_text()) == config


def test_a_second_driver_is_refused_with_the_first_ones_process(
    finished: SearchResult, resume_search: Callable[..., SearchResult]
) -> None:
    from sesemi_search.search.directory import lock_directory

    directory = finished.directory
    with lock_directory(directory), pytest.raises(ConfigError, match=r"in use by process \d+ on"):
        resume_search(directory)


def test_a_finished_search_is_extended_by_a_higher_number_of_trials(
    finished: SearchResult, extended: SearchResult
) -> None:
    before = [(r.number, r.params, r.values) for r in finished.records]
    assert [(r.number, r.params, r.values) for r in extended.records[:9]] == before
    assert len(extended.records) == 10


@pytest.mark.slow
def test_an_in_place_change_of_a_batch_does_not_reach_the_next_trial(run_search: RunSearch, tmp_path: Path) -> None:
    pinned = [
        "search.max_concurrent=1",
        "search/pruner=none",
        "run.num_epochs=1",
        "space.learner.hparams.model.head=linear",
        "space.learner.hparams.model.head.dropout=0.1",
        f"{LR}=0.1",
    ]
    mixed = run_search(
        *pinned,
        "search.num_trials=6",
        f"{BACKBONE}={{choice: {{bad: {{_target_: faulty.InPlace}}, good: {{_target_: faulty.Flat}}}}}}",
    )
    alone = run_search(
        *pinned, "search.num_trials=1", f"{BACKBONE}={{_target_: faulty.Flat}}", directory=tmp_path / "alone"
    )
    kinds = [r.params["learner.hparams.model.backbone"] for r in mixed.records]
    assert "bad" in kinds[: kinds.index("good", kinds.index("bad"))], "a good trial must come after a bad one"
    good = [r for r in mixed.records if r.params["learner.hparams.model.backbone"] == "good"]
    assert {r.metrics[1]["train/loss"] for r in good} == {alone.records[0].metrics[1]["train/loss"]}


def test_a_module_that_raises_ends_its_trial_and_not_the_search(troubled: SearchResult) -> None:
    record = troubled.records[0]
    assert (record.outcome, record.epochs) == (Outcome.error, 1)
    text = (trial_dir(troubled.directory, 0) / "error.txt").read_text()
    assert "this backbone does not like its second epoch" in text
    assert "Traceback" in text
    summary = run_summary(record, "error", Objectives((Objective("val/top1", True),)))
    assert summary["error"] == "RuntimeError: this backbone does not like its second epoch"
    assert [r.outcome for r in troubled.records[2:]] == [Outcome.complete] * 2
    assert [t.state.name for t in read_trials(troubled.directory)] == ["FAIL", "PRUNED", "COMPLETE", "COMPLETE"]


def test_a_diverged_trial_ends_as_diverged_and_its_worker_goes_on(troubled: SearchResult) -> None:
    record = troubled.records[1]
    assert record.outcome is Outcome.diverged
    assert math.isnan(record.value)
    assert troubled.best is not None
    assert troubled.best.params["learner.hparams.model.backbone"] == "good"
    assert [r.outcome for r in troubled.records[2:]] == [Outcome.complete] * 2


@pytest.mark.slow
def test_a_worker_that_lost_its_gpu_ends_and_costs_the_next_trial_nothing(
    run_search: RunSearch, tmp_path: Path
) -> None:
    loses = f"{{_target_: faulty.LosesGpu, marker: {tmp_path / 'marker'}}}"
    options = ("search.num_trials=3", "search.max_concurrent=1", "search.max_attempts=1", "search/pruner=none")
    result = run_search(*options, "run.num_epochs=1", f"{BACKBONE}={loses}")
    assert [r.outcome for r in result.records] == [Outcome.error, Outcome.complete, Outcome.complete]
    assert [r.attempts for r in result.records] == [1, 2, 1]  # the second one began in the lost worker
    assert [r.num_lost for r in result.records] == [0, 0, 0]


@pytest.mark.slow
def test_one_trial_at_a_time_and_one_seed_give_one_sequence(run_search: RunSearch, tmp_path: Path) -> None:
    results = [
        run_search("search.num_trials=5", "search.max_concurrent=1", "run.num_epochs=1", directory=tmp_path / name)
        for name in ("first", "second")
    ]
    first, second = ([(r.params, r.values) for r in result.records] for result in results)
    assert first == second
