"""A search that is told to stop, as a shell, a scheduler or a hasty user would tell it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

SLOW = "space.learner.hparams.model.backbone={_target_: faulty.Slow}"


def start(project: Path, *argv: str) -> subprocess.Popen[str]:
    """Starts the program in a process group of its own, as a shell does; it ends with the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sesemi_search", *argv, "tracking=none"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    _started.append(process)
    return process


_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _end_all() -> Iterator[None]:
    yield
    while _started:
        process = _started.pop()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_for(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


def trials(directory: Path) -> list[optuna.trial.FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(directory / "study.journal")))
    return optuna.load_study(study_name=None, storage=storage).get_trials()


def reports(directory: Path) -> int:
    if not (directory / "study.journal").exists():
        return 0
    return (directory / "study.journal").read_text().count('"intermediate_value"')


def worker_pids(driver: int) -> list[int]:
    """Processes of the driver's Ray that are alive."""
    import psutil

    return [p.pid for p in psutil.Process(driver).children(recursive=True)]


def is_below(process: Any, ancestor: int) -> bool:
    return any(parent.pid == ancestor for parent in process.parents())


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "search"


@pytest.mark.parametrize(
    ("number", "to_group"),
    [(signal.SIGINT, True), pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow)],
)
def test_one_signal_ends_the_search_in_order_and_resume_ends_it_whole(
    project: Path, directory: Path, number: signal.Signals, to_group: bool
) -> None:
    driver = start(
        project, "run", "space=tiny", SLOW, "run.num_epochs=4", "search.num_trials=5", f"search.dir={directory}"
    )
    wait_for(lambda: reports(directory) >= 2)
    (os.killpg if to_group else os.kill)(driver.pid, number)
    output, _ = driver.communicate(timeout=60)
    assert driver.returncode == 130, output
    assert "Traceback" not in output
    assert f"sesemi-search resume {directory}" in " ".join(output.split())
    before = trials(directory)
    assert "WAITING" in {t.state.name for t in before}
    assert {t.state.name for t in before} <= {"COMPLETE", "PRUNED", "WAITING"}

    resumed = start(project.parent, "resume", str(directory))
    output, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, output
    after = trials(directory)
    assert len(after) == 5
    assert {t.state.name for t in after} <= {"COMPLETE", "PRUNED"}
    for old, new in zip(before, after, strict=False):
        assert new.params == old.params
        assert list(new.intermediate_values.items())[: len(old.intermediate_values)] == list(
            old.intermediate_values.items()
        )


@pytest.mark.slow
def test_two_signals_end_the_search_at_once_and_leave_no_process_and_no_running_trial(
    project: Path, directory: Path
) -> None:
    driver = start(project, "run", "space=tiny", SLOW, "run.batch_size_per_gpu=1", f"search.dir={directory}")
    wait_for(lambda: directory.joinpath("trials/0001/config.yaml").exists())
    time.sleep(5)  # an epoch takes more than a minute
    pids = worker_pids(driver.pid)
    started = time.monotonic()
    os.kill(driver.pid, signal.SIGINT)
    time.sleep(1)
    os.kill(driver.pid, signal.SIGINT)
    output, _ = driver.communicate(timeout=30)
    assert driver.returncode == 130, output
    assert time.monotonic() - started < 20
    assert {t.state.name for t in trials(directory)} == {"WAITING"}
    wait_for(
        lambda: (
            not any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_text() for pid in pids)
        )
    )


@pytest.mark.slow
def test_a_killed_driver_costs_no_finished_trial_and_resume_ends_the_search(project: Path, directory: Path) -> None:
    driver = start(project, "run", "space=tiny", SLOW, "search.num_trials=6", f"search.dir={directory}")
    wait_for(lambda: reports(directory) >= 4)
    driver.kill()
    driver.communicate()
    before = {t.number: t for t in trials(directory)}
    resumed = start(project, "resume", str(directory))
    output, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, output
    after = trials(directory)
    assert [t.number for t in after] == list(range(6))
    assert {t.state.name for t in after} <= {"COMPLETE", "PRUNED"}
    for number, trial in before.items():
        assert after[number].params == trial.params
        if trial.state.is_finished():
            assert after[number] == trial


@pytest.mark.slow
def test_a_killed_worker_costs_its_trial_no_epoch(project: Path, directory: Path) -> None:
    import psutil

    pinned = [
        "space.learner.hparams.model.head=linear",
        "space.learner.hparams.model.head.dropout=0.1",
        "space.learner.hparams.optimizer.lr=0.1",
    ]
    common = ["run", "space=tiny", SLOW, *pinned, "search.num_trials=1", "run.num_epochs=5"]
    driver = start(project, *common, f"search.dir={directory}")
    wait_for(lambda: reports(directory) >= 2)
    workers = [p for p in psutil.process_iter() if "Trainable" in p.name() and is_below(p, driver.pid)]
    assert workers
    for worker in workers:
        worker.kill()
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, output
    disturbed = trials(directory)[0]
    assert disturbed.user_attrs["attempts"] == 2
    undisturbed = start(project, *common, f"search.dir={directory}-alone")
    undisturbed.communicate(timeout=120)
    assert disturbed.intermediate_values == trials(Path(f"{directory}-alone"))[0].intermediate_values
