"""Starts the program as a user does, and reads what it left with Optuna alone.

Every process that is started here gets a session of its own, and `end_all` ends what a test leaves of it: an autouse
fixture of each conftest that uses this module calls it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import optuna
import psutil
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

__all__ = [
    "count_reports",
    "descendants",
    "end_all",
    "journal_records",
    "kill_session",
    "open_study",
    "read_trials",
    "session_members",
    "start",
    "wait_for",
    "workers",
]

_started: list[subprocess.Popen[str]] = []


def start(project: Path, *argv: str, redirect: str = "", **variables: str) -> subprocess.Popen[str]:
    """Starts the program in a process group of its own, as a shell does, without W&B unless `argv` asks for it.

    Args:
        project: Working directory.
        argv: The command line.
        redirect: Where a shell sends its output, as `>&-`; else it comes through the process's `stdout`.
        variables: Environment variables on top of this process's, less those of W&B.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    tracking = [] if any(argument.startswith("tracking") for argument in argv) else ["tracking=none"]
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" {redirect}', "-", sys.executable, "-m", "sesemi_search", *argv, *tracking],
        cwd=project,
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # which the tests may ignore, under nohup
    )
    _started.append(process)
    return process


def end_all() -> None:
    """Ends every process that `start` started, and what these started."""
    while _started:
        process = _started.pop()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        kill_session(process.pid)


def session_members(leader: int) -> list[psutil.Process]:
    """Living processes of a session: Ray's keep that of their driver, also when it is dead."""
    members = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def kill_session(leader: int) -> None:
    """Ends every process of a session at once."""
    for process in session_members(leader):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def wait_for(condition: Callable[[], bool], timeout_s: float = 120, interval_s: float = 0.05) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(interval_s)


def open_study(directory: Path) -> optuna.Study:
    """Opens the journal as anybody would, with nothing of ours."""
    storage = JournalStorage(JournalFileBackend(str(directory / "study.journal")))
    return optuna.load_study(study_name=None, storage=storage)


def read_trials(directory: Path) -> list[optuna.trial.FrozenTrial]:
    """The trials of the journal, with nothing of ours."""
    return open_study(directory).get_trials()


def journal_records(directory: Path) -> list[dict[str, object]]:
    """The journal's whole lines, none where there is no journal; also while a search writes it."""
    path = directory / "study.journal"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def count_reports(directory: Path) -> int:
    """Epochs in the journal."""
    return sum("intermediate_value" in record for record in journal_records(directory))


def descendants(pid: int) -> list[psutil.Process]:
    """Processes of a driver's Ray that are alive."""
    return psutil.Process(pid).children(recursive=True)


def workers(driver: int) -> list[psutil.Process]:
    """Processes in which a driver's trials run."""
    found = []
    for process in descendants(driver):
        with suppress(psutil.NoSuchProcess):
            if "Trainable" in process.name():
                found.append(process)
    return found
