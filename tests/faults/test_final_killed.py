"""A final run that is ended at each of its stages, by signals, and goes on; and what is read of the data meanwhile."""

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.processes import count_reports, kill_session, read_trials, start, wait_for

pytestmark = pytest.mark.slow

NUM_TRIALS, NUM_TEST, NUM_SEEDS, NUM_EPOCHS = 4, 100, 3, 3
DATA = (
    "data.source={_target_: faulty.recorded.RecordedDigits}",
    "data.val_size=100",
    f"data.test_size={NUM_TEST}",
    "data.mean=null",
    "data.std=null",
)


class Search:
    """A search over recorded digits, and its final run."""

    def __init__(self, project: Path, directory: Path) -> None:
        self.project, self.directory, self.final = project, directory, directory / "final"
        self.reads_file, self.epochs_file = directory.with_suffix(".reads"), directory.with_suffix(".epochs")
        self.reads_file.touch()

    def start(self, *argv: str, **variables: str) -> subprocess.Popen[str]:
        files = {"FAULTY_READS": str(self.reads_file), "FAULTY_EPOCHS": str(self.epochs_file)}
        return start(self.project, *argv, **files, **variables)

    def start_final(self, *argv: str, **variables: str) -> subprocess.Popen[str]:
        return self.start("final", str(self.directory), *argv, **variables)

    def reads(self) -> list[str]:
        return self.reads_file.read_text().split()

    def epochs_begun(self) -> int:
        return len(self.epochs_file.read_text().splitlines())

    def epochs_recorded(self) -> int:
        return sum(
            len(t.intermediate_values) for phase in ("confirm", "models") for t in read_trials(self.final / phase)
        )


def end(driver: subprocess.Popen[str]) -> str:
    output, _ = driver.communicate(timeout=240)
    return output


def test_a_final_run_goes_on_after_any_end_and_opens_the_test_split_once(project: Path, directory: Path) -> None:
    search = Search(project, directory)
    backbone = "space.learner.hparams.model.backbone._target_=faulty.second_epoch.Counted"
    options = (f"search.dir={directory}", f"search.num_trials={NUM_TRIALS}", "search/pruner=none", *DATA)
    driver = search.start("run", "space=tiny", backbone, *options, f"run.num_epochs={NUM_EPOCHS}")
    output = end(driver)
    assert driver.returncode == 0, output
    seen = set(search.reads())
    assert len(seen) == 600 - NUM_TEST
    begun_by_search = search.epochs_begun()

    driver = search.start_final("final.top_k=2", f"final.num_seeds={NUM_SEEDS}")
    wait_for(lambda: count_reports(search.final / "confirm") >= 2)
    os.kill(driver.pid, signal.SIGINT)
    output = end(driver)
    assert driver.returncode == 130, output
    assert f"go on with it:  sesemi-search final {directory}" in output
    ended = [trial for trial in read_trials(search.final / "confirm") if trial.state.is_finished()]

    driver = search.start_final()
    before = count_reports(search.final / "confirm")
    wait_for(lambda: count_reports(search.final / "confirm") >= before + 3)
    kill_session(driver.pid)
    end(driver)

    driver = search.start_final()
    wait_for(lambda: count_reports(search.final / "models") >= 1)
    kill_session(driver.pid)
    end(driver)
    assert set(search.reads()) == seen, "the test split was opened before all was trained"

    driver = search.start_final(FAULTY_DIES="1")
    end(driver)
    assert driver.returncode == -signal.SIGKILL
    assert set(search.reads()) == seen
    assert not (search.final / "metrics.json").exists()

    driver = search.start_final()
    output = end(driver)
    assert driver.returncode == 0, output
    assert "Traceback" not in output
    reads = search.reads()
    opened = [read for read in reads if read not in seen]
    assert len(set(opened)) == NUM_TEST
    assert len(opened) == NUM_TEST + 1, "each once, after one that is tried before all"
    assert reads[-len(opened) :] == opened
    (opening,) = (directory / "test_openings.jsonl").read_text().splitlines()
    assert json.loads(opening)["run"] == str(search.final)

    confirm, models = read_trials(search.final / "confirm"), read_trials(search.final / "models")
    assert [trial for trial in confirm if trial.number in {each.number for each in ended}] == ended
    pairs = Counter((trial.params["candidate"], trial.params["seed"]) for trial in confirm)
    assert set(pairs.values()) == {1}
    assert {len(trial.intermediate_values) for trial in (*confirm, *models)} == {NUM_EPOCHS}
    assert len(models) == 1
    # What was in the slots when a driver died is all that was begun twice.
    slots = os.cpu_count() or 1
    assert search.epochs_begun() - begun_by_search - search.epochs_recorded() <= 2 * slots

    metrics = json.loads((search.final / "metrics.json").read_text())
    assert metrics["test"]["num_images"] == NUM_TEST
    driver = search.start_final()
    output = end(driver)
    assert driver.returncode == 0
    assert f"the test split was opened on {metrics['opened']}" in output
    assert search.reads() == reads
    driver = search.start_final("run.num_epochs=5")
    assert "was begun with other configs" in end(driver)
    assert driver.returncode == 2
