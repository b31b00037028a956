"""`dashboard`: Optuna's dashboard of a search, on loopback: it follows the search and changes nothing of it."""

import importlib.util
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest

from sesemi_search.search.ledger.journal import open_storage
from tests.made_up_search import make_up_search, trial
from tests.processes import wait_for

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return make_up_search(tmp_path / "one", [trial(n, [0.1 * n]) for n in range(3)], configs=False)


@pytest.fixture
def served(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A dashboard that runs, and its address."""
    argv = [sys.executable, "-m", "sesemi_search", "dashboard", str(directory), "--port", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield process, line.partition("http://")[2].split("/")[0]
        finally:
            process.kill()


def ask(address: str, path: str, method: str = "GET", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://{address}{path}", data, {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "null")


def shown_trials(address: str, study: int) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = ask(address, f"/api/studies/{study}?after=0")["trials"]
    return trials


def test_it_shows_the_search_follows_it_and_changes_nothing(
    served: tuple[subprocess.Popen[str], str], directory: Path
) -> None:
    process, address = served
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    (study,) = ask(address, "/api/studies")["study_summaries"]
    assert study["study_name"] == "one"
    trials = shown_trials(address, study["study_id"])
    assert [each["values"] for each in trials] == [[pytest.approx(0.1 * n)] for n in range(3)]
    ask(address, f"/api/studies/{study['study_id']}/note", "PUT", {"body": "mine", "version": 1})
    listening = {each.laddr for each in psutil.Process(process.pid).net_connections() if each.status == "LISTEN"}
    assert {each.ip for each in listening} == {"127.0.0.1"}
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before

    # As a driver does that goes on. The dashboard remembers trials for some seconds.
    running = optuna.load_study(study_name="one", storage=open_storage(directory, None))
    running.add_trial(optuna.trial.create_trial(value=0.9))
    wait_for(lambda: len(shown_trials(address, study["study_id"])) == 4, interval_s=0.5)


def test_ctrl_c_ends_it_without_a_word(served: tuple[subprocess.Popen[str], str]) -> None:
    process, address = served
    ask(address, "/api/studies")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in output


def test_a_port_that_is_taken_is_one_message(directory: Path, command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, output = command("dashboard", str(directory), "--port", str(taken.getsockname()[1]))
    assert code == 2
    assert "error: --port: " in output
    assert "name another one" in output


def test_where_it_is_not_installed_what_to_install_is_said(
    directory: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "optuna_dashboard" else find(name))
    code, output = command("dashboard", str(directory))
    assert code == 2
    assert output == "error: dashboard: it needs optuna-dashboard: pip install 'sesemi-search[dashboard]'\n"
