"""The search that the drivers are killed in: twelve short trials, one at a time, its epochs counted as they begin."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from tests.processes import journal_records, read_trials, start

NUM_TRIALS = 12
OVERRIDES = (
    "space=tiny",
    "space.learner.hparams.model.backbone._target_=faulty.second_epoch.Counted",
    "search.sampler._target_=faulty.deaths.Sampler",
    "search.pruner._target_=faulty.deaths.Pruner",
    f"search.num_trials={NUM_TRIALS}",
    "search.max_concurrent=1",
    "search.study=dozen",
)


@dataclass(frozen=True)
class Dozen:
    """One search and its files."""

    project: Path
    directory: Path

    @property
    def epochs_file(self) -> Path:
        return self.directory.with_suffix(".epochs")

    def run(self, **variables: str) -> subprocess.Popen[str]:
        """`sesemi-search run`."""
        return self._start("run", *OVERRIDES, f"search.dir={self.directory}", **variables)

    def go_on(self) -> tuple[str, float]:
        """Ends the search as a user does; returns the verb and the seconds that it took."""
        # Without a config there is nothing to resume yet, and `resume` says so.
        verb = "resume" if (self.directory / "search.yaml").exists() else "run"
        began = time.monotonic()
        driver = self._start("resume", str(self.directory)) if verb == "resume" else self.run()
        output, _ = driver.communicate(timeout=180)
        assert driver.returncode == 0, output
        assert "Traceback" not in output
        return verb, time.monotonic() - began

    def epochs_begun(self) -> int:
        """Epochs that workers began to train, all sittings together."""
        return len(self.epochs_file.read_text().splitlines()) if self.epochs_file.exists() else 0

    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """The trials as plain Optuna has them; none before there is a study."""
        if not any("study_name" in record for record in journal_records(self.directory)):
            return []  # nor does Optuna leave a journal alone that is not there: it makes one
        return read_trials(self.directory)

    def _start(self, *argv: str, **variables: str) -> subprocess.Popen[str]:
        return start(self.project, *argv, FAULTY_EPOCHS=str(self.epochs_file), **variables)


def facts(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """What a crash must not change: all but times and attempts."""
    return {
        "number": trial.number,
        "state": trial.state.name,
        "outcome": trial.user_attrs.get("outcome"),
        "params": trial.params,
        "values": trial.intermediate_values,
        "value": trial.value,
    }


def check_ended(dozen: Dozen, before: list[optuna.trial.FrozenTrial], undisturbed: list[dict[str, Any]]) -> None:
    """The search has every trial once, as the undisturbed one has it, and what was finished is as it was."""
    after = dozen.trials()
    assert [trial.number for trial in after] == list(range(NUM_TRIALS))
    assert {trial.state.name for trial in after} <= {"COMPLETE", "PRUNED"}
    for trial in before:
        if trial.state.is_finished():
            assert after[trial.number] == trial
    assert [facts(trial) for trial in after] == undisturbed
    left = [path for path in dozen.directory.rglob("*") if path.name.endswith((".tmp", "journal.lock"))]
    assert not left


def epochs_begun_twice(dozen: Dozen) -> int:
    """Epochs that were begun more often than they are recorded."""
    return dozen.epochs_begun() - sum(len(trial.intermediate_values) for trial in dozen.trials())
