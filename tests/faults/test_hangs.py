"""Trials that wait for ever, and what the search does with them."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.processes import count_reports, descendants, read_trials, start, wait_for

pytestmark = pytest.mark.slow

BACKBONE = "space.learner.hparams.model.backbone"
COMMON = ("run", "space=tiny", "search/sampler=random", "search/pruner=none", "search.baseline=false")


@pytest.mark.parametrize(("name", "epochs"), [("Hangs", [1]), ("HangsAtOnce", [])])
def test_a_trial_that_hangs_is_timed_out_its_slot_is_free_and_the_search_goes_on(
    project: Path, directory: Path, name: str, epochs: list[int]
) -> None:
    options = ", ".join(f"{each}: {{_target_: faulty.second_epoch.{each}}}" for each in (name, "Counted"))
    driver = start(
        project,
        *COMMON,
        f"{BACKBONE}={{choice: {{{options}}}}}",
        "search.max_concurrent=1",
        "search.num_trials=2",
        f"search.enqueue=[{{backbone: {name}}}, {{backbone: Counted}}]",
        "search.epoch_timeout=30s",
        f"search.dir={directory}",
    )
    output, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, output
    assert "Traceback" not in output
    hanging, other = read_trials(directory)
    assert (hanging.user_attrs["outcome"], hanging.user_attrs["attempts"]) == ("timed_out", 1)
    assert sorted(hanging.intermediate_values) == epochs
    assert other.user_attrs["outcome"] == "complete"
    error = (directory / "trials/0000/error.txt").read_text()
    assert error.startswith(f"search.epoch_timeout: epoch {len(epochs) + 1} had not ended after 30 s")
    assert "1 timed out" in " ".join(output.split())


@pytest.mark.parametrize("how", ["signal", "search.time_budget=20s"])
def test_a_search_that_is_to_stop_does_not_wait_for_what_hangs(project: Path, directory: Path, how: str) -> None:
    budget = [how] if "=" in how else []
    driver = start(
        project,
        *COMMON,
        f"{BACKBONE}={{_target_: faulty.second_epoch.Hangs}}",
        "search.stop_grace=3s",
        f"search.dir={directory}",
        *budget,
    )
    wait_for(lambda: count_reports(directory) >= 2)
    time.sleep(2)  # an epoch takes less
    processes = descendants(driver.pid)
    if how == "signal":
        os.kill(driver.pid, signal.SIGINT)
    output, _ = driver.communicate(timeout=90)
    assert driver.returncode == (130 if how == "signal" else 1), output
    assert "Traceback" not in output
    assert f"sesemi-search resume {directory}" in " ".join(output.split())
    assert {t.state.name for t in read_trials(directory)} == {"WAITING"}
    wait_for(lambda: not any(process.is_running() for process in processes))
