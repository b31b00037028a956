"""Modules that go wrong in their second epoch, in a search whose other trials do not."""

import math
import time
from collections import Counter
from pathlib import Path

import optuna
import psutil
import pytest

from tests.processes import read_trials, start

pytestmark = pytest.mark.slow

BACKBONE = "learner.hparams.model.backbone"
MODULE = "faulty.second_epoch"
RANDOM = (
    "search/sampler=random",
    "search/pruner=none",
    "space.learner.hparams.model.head=linear",
    # A continuous dimension: a finite space ends when each of its configs was tried.
    "space.learner.hparams.model.head.dropout={float: [0.09, 0.11]}",
    "space.learner.hparams.optimizer.lr=0.1",
)


def search(
    project: Path,
    directory: Path,
    classes: list[str],
    num_trials: int,
    timeout_s: float,
    *overrides: str,
    **variables: str,
) -> tuple[dict[str, list[optuna.trial.FrozenTrial]], str]:
    """Searches over the classes; returns the trials of each, and the output."""
    options = ", ".join(f"{name}: {{_target_: {MODULE}.{name}}}" for name in classes)
    driver = start(
        project,
        "run",
        "space=tiny",
        *RANDOM,
        f"space.{BACKBONE}={{choice: {{{options}}}}}",
        f"search.num_trials={num_trials}",
        f"search.dir={directory}",
        *overrides,
        **variables,
    )
    output, _ = driver.communicate(timeout=timeout_s)
    assert driver.returncode == 0, output
    trials = read_trials(directory)
    assert [trial.number for trial in trials] == list(range(num_trials))
    assert {trial.state.is_finished() for trial in trials} == {True}
    by_class = {name: [t for t in trials if t.params[BACKBONE] == name] for name in classes}
    assert all(by_class.values()), {name: len(found) for name, found in by_class.items()}
    return by_class, output


def check(
    trials: list[optuna.trial.FrozenTrial], outcome: str, state: str, epochs: list[int], attempts: int = 1
) -> None:
    for trial in trials:
        assert trial.user_attrs["outcome"] == outcome
        assert trial.state.name == state
        assert sorted(trial.intermediate_values) == epochs
        assert trial.user_attrs["attempts"] == attempts


def test_each_failure_has_its_outcome_is_not_tried_again_and_the_others_go_on(project: Path, directory: Path) -> None:
    found, output = search(project, directory, ["Counted", "Raises", "OutOfMemory", "NotANumber"], 20, 180)
    check(found["Counted"], "complete", "COMPLETE", [1, 2, 3])
    check(found["Raises"], "error", "FAIL", [1])
    check(found["OutOfMemory"], "out_of_memory", "PRUNED", [1])
    check(found["NotANumber"], "diverged", "PRUNED", [1, 2])
    assert {math.isnan(trial.intermediate_values[2]) for trial in found["NotANumber"]} == {True}
    for trial in found["Raises"]:
        text = (directory / f"trials/{trial.number:04d}/error.txt").read_text()
        assert "Traceback" in text
        assert "this backbone does not like its second epoch" in text
    for trial in found["OutOfMemory"]:
        assert "CUDA out of memory" in trial.user_attrs["message"]
    counts = Counter(trial.user_attrs["outcome"] for trials in found.values() for trial in trials)
    for outcome, count in counts.items():
        assert f"{count} {outcome.replace('_', ' ')}" in " ".join(output.replace("_", " ").split()), output


def test_a_trial_that_ends_its_worker_each_time_is_lost_after_its_attempts_and_the_others_go_on(
    project: Path, directory: Path
) -> None:
    found, _ = search(project, directory, ["Counted", "Exits"], 4, 180, "search.max_attempts=2")
    check(found["Counted"], "complete", "COMPLETE", [1, 2, 3])
    check(found["Exits"], "lost", "FAIL", [1], attempts=2)


def test_a_worker_that_rays_memory_monitor_ends_costs_its_trial_and_not_the_search(
    project: Path, directory: Path
) -> None:
    memory = psutil.virtual_memory()
    # What is in use, 2.5 GB for Ray and the workers of two trials, and as much as the one that hoards gets to keep.
    threshold = 1 - (memory.available - 4e9) / memory.total
    found, output = search(
        project,
        directory,
        ["Counted", "Hoards"],
        4,
        240,
        "search.max_concurrent=1",
        RAY_memory_usage_threshold=f"{threshold:.4f}",
    )
    check(found["Counted"], "complete", "COMPLETE", [1, 2, 3])
    check(found["Hoards"], "out_of_memory", "PRUNED", [1])
    assert "Traceback" not in output
    text = (directory / f"trials/{found['Hoards'][0].number:04d}/error.txt").read_text()
    assert "memory" in text


def test_a_module_that_is_slow_to_go_does_not_hang_the_search(project: Path, directory: Path) -> None:
    began = time.monotonic()
    found, _ = search(project, directory, ["Counted", "SlowToLetGo"], 6, 180, "search/pruner=median")
    check(found["Counted"], "complete", "COMPLETE", [1, 2, 3])
    # 5 s a trial, 5 s at the end of a worker, and what the search takes without them.
    assert time.monotonic() - began < 60 + 5 * (len(found["SlowToLetGo"]) + 2)
