"""Workers that die in the middle of an epoch, and checkpoints that are cut short."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from sesemi_search.config.experiment import load_experiment, type_experiment
from sesemi_search.data.splits import load_splits
from sesemi_search.data.stored import LabelledImages
from sesemi_search.project.project import activate, find_project
from sesemi_search.search.directory import trial_dir
from sesemi_search.search.ledger.records import Outcome, TrialReport
from sesemi_search.search.trial import TrialRun
from tests.processes import count_reports, read_trials, start, wait_for, workers

pytestmark = pytest.mark.slow

ONE_TRIAL = (
    "run",
    "space=tiny",
    "space.learner.hparams.model.backbone={_target_: faulty.second_epoch.Counted, batch_seconds: 0.02}",
    "space.learner.hparams.model.head=linear",
    "space.learner.hparams.model.head.dropout=0.1",
    "space.learner.hparams.optimizer.lr=0.1",
    "search.num_trials=1",
    "run.num_epochs=5",
)


@pytest.fixture(scope="module")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a search of one trial that nothing happens to."""
    directory = tmp_path_factory.mktemp("undisturbed") / "search"
    driver = start(project, *ONE_TRIAL, f"search.dir={directory}")
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, output
    return directory


def values_and_metrics(directory: Path) -> tuple[dict[int, float], dict[str, Any]]:
    """Of trial 0: its reports, and its metrics but for the time."""
    trial: optuna.trial.FrozenTrial = read_trials(directory)[0]
    epochs = {key: dict(value) for key, value in trial.user_attrs.items() if key.startswith("epoch ")}
    for metrics in epochs.values():
        del metrics["epoch_seconds"]
    return trial.intermediate_values, epochs


def test_a_killed_worker_costs_its_trial_no_finished_epoch(project: Path, directory: Path, undisturbed: Path) -> None:
    epochs = directory.with_suffix(".epochs")
    driver = start(project, *ONE_TRIAL, f"search.dir={directory}", FAULTY_EPOCHS=str(epochs))
    wait_for(lambda: epochs.exists() and len(epochs.read_text().splitlines()) == 3, interval_s=0.01)
    found = workers(driver.pid)
    assert found
    for worker in found:
        worker.kill()
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, output
    trials = read_trials(directory)
    assert [(t.number, t.state.name, t.user_attrs["attempts"]) for t in trials] == [(0, "COMPLETE", 2)]
    assert values_and_metrics(directory) == values_and_metrics(undisturbed)
    assert [line.split()[1] for line in epochs.read_text().splitlines()] == ["1", "2", "3", "3", "4", "5"]


@pytest.mark.parametrize("part", [0.0, 0.5])
def test_a_search_whose_checkpoint_was_cut_short_ends_with_the_same_numbers(
    project: Path, directory: Path, undisturbed: Path, part: float
) -> None:
    driver = start(project, *ONE_TRIAL, f"search.dir={directory}")
    wait_for(lambda: count_reports(directory) >= 2)
    driver.kill()
    driver.communicate()
    checkpoint = trial_dir(directory, 0) / "checkpoint.pt"
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(len(content) * part)])
    resumed = start(project, "resume", str(directory))
    output, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, output
    assert values_and_metrics(directory) == values_and_metrics(undisturbed)


@pytest.fixture(scope="module")
def begin(
    project: Path, undisturbed: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[bytes | None], tuple[Path, TrialRun]]:
    """Begins trial 0 in this process, as a worker does, with the content of its checkpoint."""
    activate(find_project(project, project))
    config = yaml.safe_load((trial_dir(undisturbed, 0) / "config.yaml").read_text())
    config["learner"]["hparams"]["model"]["backbone"]["batch_seconds"] = 0
    splits: dict[str, LabelledImages] = {}

    def begin(checkpoint: bytes | None) -> tuple[Path, TrialRun]:
        directory = tmp_path_factory.mktemp("cut")
        folder = trial_dir(directory, 0)
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        if checkpoint is not None:
            (folder / "checkpoint.pt").write_bytes(checkpoint)
        if not splits:
            experiment = type_experiment(load_experiment(folder / "config.yaml"))
            splits.update(load_splits(experiment.data, Path(experiment.run.data_root), ("train", "val")))
        return folder, TrialRun(directory, 0, splits)

    return begin


def steps(trial: TrialRun) -> list[TrialReport]:
    reports = [trial.step()]
    while reports[-1].outcome is None:
        reports.append(trial.step())
    return reports


def test_a_checkpoint_cut_short_anywhere_begins_its_trial_anew(
    begin: Callable[[bytes | None], tuple[Path, TrialRun]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, trial = begin(None)
    trial.step()
    trial.step()
    content = (folder / "checkpoint.pt").read_bytes()
    whole = steps(begin(None)[1])
    goes_on = steps(begin(content)[1])
    assert [report.epoch for report in whole] == [1, 2, 3, 4, 5]
    assert [report.epoch for report in goes_on] == [2, 3, 4, 5]
    lengths = [0, 1, 3, 4, 30, len(content) // 4, len(content) // 2, len(content) - 22, len(content) - 1]
    for length in lengths:
        anew = steps(begin(content[:length])[1])
        assert [r.epoch for r in anew] == [1, 2, 3, 4, 5], length
        assert {r.outcome for r in anew} == {None, Outcome.complete}, anew[-1].message
        assert [without_time(r) for r in anew] == [without_time(r) for r in whole], length
    assert [without_time(r) for r in goes_on] == [without_time(r) for r in whole][1:]
    with capsys.disabled():
        print(f"\ncheckpoint of {len(content)} bytes cut to {lengths}: begun anew, same numbers")


def test_what_a_kill_in_the_middle_of_a_checkpoint_left_is_removed(
    begin: Callable[[bytes | None], tuple[Path, TrialRun]],
) -> None:
    folder, trial = begin(None)
    torn = folder / ".checkpoint.pt.123.abc.tmp"
    torn.write_bytes(b"half of a checkpoint")
    trial.step()
    assert not torn.exists()
    assert (folder / "checkpoint.pt").exists()


def without_time(report: TrialReport) -> dict[str, float]:
    return {name: value for name, value in report.metrics.items() if name != "epoch_seconds"}
