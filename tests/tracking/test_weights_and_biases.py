import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sesemi_search.tracking.tracker import RunStart
from sesemi_search.tracking.weights_and_biases import WandbTracker
from tests.tracking.wandb_files import read_wandb_files
from tests.tracking.wandb_resume import serve_resuming_openwandb
from tests.tracking.wandb_server import OpenWandb, free_port, serve_silence, serve_status

CONFIG = {"lr": 0.1, "head": "cosine", "seed": 42}
FILES = {"experiment.yaml": "run: {seed: 42}\n"}
KEY = "f" * 40
BUSY_S = 5.0  # what a machine that is busy with other tests may add; a server that hangs would cost minutes


class Tracked:
    """A tracker, and how a trial is told to it."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        limits = {"init_timeout_s": 60.0, "finish_timeout_s": 60.0}  # which a server that answers does not need
        self.tracker = WandbTracker(directory=directory, project="digits", **{**limits, **settings})

    def start(self, number: int, history: dict[int, dict[str, float]] | None = None) -> None:
        name, run_id = f"digits {number}", f"digits-{number:04d}"
        told = {"files": FILES, "notes": "a note", "tags": ["LeNet5"], "objectives": {"val/top1": "max"}}
        self.tracker.start(RunStart(number, run_id, name, "trial", "digits", {}, CONFIG, 3, history or {}, **told))

    def trial(self, number: int, outcome: str = "complete", epochs: int = 3) -> None:
        self.start(number)
        for epoch in range(1, epochs + 1):
            self.tracker.log(number, epoch, metrics(epoch))
        self.tracker.end(number, outcome, {"best": metrics(epochs)["val/top1"], "epochs": epochs})


def metrics(epoch: int) -> dict[str, float]:
    return {"val/top1": epoch / 10, "train/loss": 1 / epoch}


def seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def wait_until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def refused() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


def test_offline_files_hold_every_run(tmp_path: Path, said: list[str]) -> None:
    tracked = Tracked(tmp_path, mode="offline")
    for number, outcome in enumerate(["complete", "stopped", "error"]):
        tracked.trial(number, outcome)
    tracked.tracker.close()
    runs = read_wandb_files(tmp_path)
    assert sorted(runs) == ["digits-0000", "digits-0001", "digits-0002"]
    for number, outcome in enumerate(["complete", "stopped", "error"]):
        run = runs[f"digits-{number:04d}"]
        assert (run.group, run.job_type, run.name) == ("digits", "trial", f"digits {number}")
        assert run.project == "digits"
        assert {key: value for key, value in run.config.items() if key != "_wandb"} == CONFIG
        assert (run.files, run.notes) == (FILES, "a note")
        assert [(row["_step"], row["epoch"]) for row in run.history] == [(1, 1), (2, 2), (3, 3)]
        assert [row["val/top1"] for row in run.history] == [0.1, 0.2, 0.3]
        assert run.tags == ["LeNet5", outcome]
        assert run.summary["val/top1"] == {"max": 0.3, "last": 0.3}
        assert (run.summary["best"], run.summary["outcome"], run.summary["epochs"]) == (0.3, outcome, 3)
        assert run.exit_code == (1 if outcome == "error" else 0)
    assert said == [
        f"W&B: runs are kept offline in {tmp_path}/wandb. To upload them: wandb sync {tmp_path}/wandb/offline-run-*"
    ]


def test_final_run_has_its_job_type_and_no_group(tmp_path: Path) -> None:
    tracker = WandbTracker(directory=tmp_path, project="digits", mode="offline")
    tracker.start(RunStart(0, "final-1", "final", "final", None, {}, CONFIG, 1))
    tracker.log(0, 1, metrics(1))
    tracker.end(0, "complete", {"test/top1": 0.98})
    tracker.close()
    run = read_wandb_files(tmp_path)["final-1"]
    assert (run.job_type, run.group, run.summary["test/top1"]) == ("final", "", 0.98)


@pytest.mark.parametrize(
    ("variable", "tags"),
    [("night,second", ["night", "second"]), ("", []), ("a, ,b", ["a", "b"]), (65 * "x", [64 * "x"])],
    ids=["two", "empty", "an empty one", "too long"],
)
def test_tags_of_the_environment_stay_beside_the_outcome(
    variable: str, tags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_TAGS", variable)
    tracked = Tracked(tmp_path, mode="offline")
    tracked.trial(0, "stopped")
    tracked.tracker.close()
    assert read_wandb_files(tmp_path)["digits-0000"].tags == [*tags, "LeNet5", "stopped"]


def test_no_key_means_offline_and_says_how_to_sync(tmp_path: Path, said: list[str]) -> None:
    tracked = Tracked(tmp_path)
    tracked.trial(0)
    tracked.trial(1)
    tracked.tracker.close()
    assert sorted(read_wandb_files(tmp_path)) == ["digits-0000", "digits-0001"]
    [note] = said
    assert f"wandb login, then wandb sync {tmp_path}/wandb/offline-run-*" in note


def test_key_of_a_wrong_form_means_offline_and_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "much-too-short")
    tracked = Tracked(tmp_path)
    tracked.trial(0)
    tracked.tracker.close()
    assert list(read_wandb_files(tmp_path)) == ["digits-0000"]
    assert len(said) == 1
    assert "much-too-short" not in said[0]


def test_readopted_offline_run_replaces_the_partial_one(tmp_path: Path) -> None:
    first = Tracked(tmp_path, mode="offline")
    first.start(0)
    first.tracker.log(0, 1, metrics(1))
    first.tracker.close()
    assert len(read_wandb_files(tmp_path)["digits-0000"].history) == 1
    second = Tracked(tmp_path, mode="offline")
    second.start(0, history={1: metrics(1)})
    second.tracker.log(0, 2, metrics(2))
    second.tracker.end(0, "complete", {})
    second.tracker.close()
    assert [row["_step"] for row in read_wandb_files(tmp_path)["digits-0000"].history] == [1, 2]


def test_run_that_starts_again_after_a_lost_worker_is_one_run(tmp_path: Path, said: list[str]) -> None:
    tracked = Tracked(tmp_path, mode="offline")
    tracked.trial(0, "interrupted", epochs=1)
    tracked.start(0, history={1: metrics(1)})
    tracked.tracker.log(0, 2, metrics(2))
    tracked.tracker.end(0, "complete", {})
    tracked.tracker.close()
    run = read_wandb_files(tmp_path)["digits-0000"]
    assert [row["_step"] for row in run.history] == [1, 2]
    assert run.tags == ["LeNet5", "complete"]
    assert len(said) == 1


def test_server_gets_every_run(tmp_path: Path, openwandb: OpenWandb, said: list[str]) -> None:
    tracked = Tracked(tmp_path)
    for number, outcome in enumerate(["complete", "stopped"]):
        tracked.trial(number, outcome)
    tracked.tracker.close()
    [address] = said
    assert address.startswith(f"W&B: {openwandb.url}/")
    assert address.endswith("/digits/groups/digits")
    runs = openwandb.runs()
    assert sorted(runs) == ["digits-0000", "digits-0001"]
    for number, outcome in enumerate(["complete", "stopped"]):
        run = runs[f"digits-{number:04d}"]
        assert (run["name"], run["state"], run["tags"]) == (f"digits {number}", "finished", ["LeNet5", outcome])
        assert {key: run["config"][key] for key in CONFIG} == CONFIG
        assert (run["notes"], openwandb.files(f"digits-{number:04d}")["experiment.yaml"].read_text()) == (
            "a note",
            FILES["experiment.yaml"],
        )
        assert (run["summary"]["best"], run["summary"]["outcome"]) == (0.3, outcome)
        assert openwandb.history(f"digits-{number:04d}", "val/top1") == [(1, 0.1), (2, 0.2), (3, 0.3)]
        assert openwandb.history(f"digits-{number:04d}", "epoch") == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert [run.group for run in read_wandb_files(tmp_path).values()] == ["digits", "digits"]
    assert not files_with_key(tmp_path, os.environ["WANDB_API_KEY"])


def test_readopted_run_goes_on_at_the_server_with_each_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    with serve_resuming_openwandb(tmp_path / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        first = Tracked(tmp_path)
        first.start(0)
        first.tracker.log(0, 1, metrics(1))
        first.tracker.log(0, 2, metrics(2))
        first.tracker.close()
        second = Tracked(tmp_path)
        # Epoch 3 was recorded but not uploaded before the crash: the history brings it.
        second.start(0, history={epoch: metrics(epoch) for epoch in (1, 2, 3)})
        second.tracker.log(0, 4, metrics(4))
        second.tracker.end(0, "complete", {"best": 0.4})
        second.tracker.close()
        assert len(said) == 2
        assert all(line.endswith("/groups/digits") for line in said)
        assert server.history("digits-0000", "epoch") == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]
        assert server.history("digits-0000", "val/top1") == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]
        assert server.runs()["digits-0000"]["tags"] == ["LeNet5", "complete"]
        assert len(server.runs()) == 1


def test_server_that_disappears_costs_no_data(tmp_path: Path, openwandb: OpenWandb, said: list[str]) -> None:
    tracked = Tracked(tmp_path, init_timeout_s=2.0, finish_timeout_s=15.0)
    tracked.start(0)
    tracked.tracker.log(0, 1, metrics(1))
    wait_until(lambda: "digits-0000" in openwandb.runs())
    openwandb.kill()
    tracked.tracker.log(0, 2, metrics(2))
    tracked.tracker.log(0, 3, metrics(3))
    tracked.tracker.end(0, "complete", {"best": 0.3})
    assert seconds(lambda: tracked.trial(1)) < 2.0, "waited for the server"
    assert seconds(tracked.tracker.close) < 15.0 + BUSY_S
    runs = read_wandb_files(tmp_path)
    assert sorted(runs) == ["digits-0000", "digits-0001"]
    assert all([row["_step"] for row in run.history] == [1, 2, 3] for run in runs.values())
    assert "2 runs were not fully uploaded" in said[-1]
    assert f"wandb sync {tmp_path}/wandb/offline-run-*" in said[-1]


@pytest.mark.parametrize(
    "server",
    [serve_silence, lambda: serve_status(500), lambda: serve_status(401), refused],
    ids=["hangs", "500", "401", "refuses"],
)
def test_server_that_takes_nothing_delays_nothing(
    server: Callable[[], AbstractContextManager[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    with server() as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        tracked = Tracked(tmp_path, init_timeout_s=1.0, finish_timeout_s=30.0)
        assert seconds(lambda: [tracked.trial(number) for number in range(6)]) < 1.0, "waited for the server"
        assert seconds(tracked.tracker.close) < 30.0 + BUSY_S
    runs = read_wandb_files(tmp_path)
    assert sorted(runs) == [f"digits-{number:04d}" for number in range(6)]
    assert all(len(run.history) == 3 and run.tags == ["LeNet5", "complete"] for run in runs.values())
    assert len(said) == 2
    assert all(f"wandb sync {tmp_path}/wandb/offline-run-*" in note and KEY not in note for note in said)
    assert "6 runs were not fully uploaded" in said[-1]
    assert not files_with_key(tmp_path, KEY)


@pytest.mark.slow
def test_runs_the_server_left_waiting_are_on_disk_after_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with serve_silence() as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        tracked = Tracked(tmp_path, init_timeout_s=60.0, finish_timeout_s=8.0)
        tracked.trial(0)
        assert seconds(tracked.tracker.close) < 8.0 + BUSY_S
    assert len(read_wandb_files(tmp_path)["digits-0000"].history) == 3


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "not closed"])
def test_program_can_end_while_the_server_hangs(closes: bool, tmp_path: Path) -> None:
    program = f"""
        import sys
        from pathlib import Path
        from sesemi_search.tracking.tracker import RunStart
        from sesemi_search.tracking.weights_and_biases import WandbTracker
        tracker = WandbTracker(directory=Path({str(tmp_path)!r}), project="p", init_timeout_s=60, finish_timeout_s=2)
        tracker.start(RunStart(0, "run-0", "run", "trial", "g", {{}}, {{}}, 2))
        tracker.log(0, 1, {{"val/top1": 0.5}})
        if {closes}:
            tracker.close()
        assert "wandb" not in sys.modules
    """
    with serve_silence() as url:
        environment = {**os.environ, "WANDB_BASE_URL": url, "WANDB_API_KEY": KEY}
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(program)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=15)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_own_process_ends_soon_after_the_driver_was_killed(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    program = f"""
        import os, signal, time
        from pathlib import Path
        from sesemi_search.tracking.tracker import RunStart
        from sesemi_search.tracking.weights_and_biases import WandbTracker
        tracker = WandbTracker(directory=Path({str(tmp_path)!r}), project="p", mode="offline")
        tracker.start(RunStart(0, "run-0", "run", "trial", "g", {{}}, {{}}, 2))
        tracker.log(0, 1, {{"val/top1": 0.5}})
        while not list(Path({str(tmp_path)!r}).glob("wandb/*/*.wandb")):
            time.sleep(0.05)
        time.sleep(0.3)
        import psutil
        print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    children = [int(pid) for pid in done.stdout.split()]
    assert len(children) >= 2  # the process that talks to wandb, and wandb-core
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in children), timeout_s=8)
    assert [row["_step"] for row in read_wandb_files(tmp_path)["run-0"].history] == [1]


def test_environment_and_working_directory_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    # A user's file of that name must not be taken for the library.
    tmp_path.joinpath("wandb.py").write_text("raise RuntimeError")
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    tracked = Tracked(tmp_path / "search", mode="offline")
    tracked.trial(0)
    tracked.tracker.close()
    assert dict(os.environ) == before
    assert len(said) == 1
    assert list(read_wandb_files(tmp_path / "search")) == ["digits-0000"]


@pytest.mark.parametrize("how", ["offline", pytest.param("lost", marks=pytest.mark.slow)])
def test_sync_command_uploads_what_the_note_says(
    how: str, tmp_path: Path, openwandb: OpenWandb, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked = Tracked(tmp_path, mode="offline" if how == "offline" else "auto", finish_timeout_s=9.0)
    if how == "lost":
        with serve_silence() as url:
            monkeypatch.setenv("WANDB_BASE_URL", url)
            tracked.trial(0)
            tracked.tracker.close()
    else:
        tracked.trial(0)
        tracked.tracker.close()
    monkeypatch.setenv("WANDB_BASE_URL", openwandb.url)
    command = f"{Path(sys.executable).parent}/wandb sync {tmp_path}/wandb/offline-run-*"
    subprocess.run(command, shell=True, check=True, capture_output=True, timeout=60, cwd=tmp_path)
    assert openwandb.history("digits-0000", "epoch") == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert openwandb.runs()["digits-0000"]["tags"] == ["LeNet5", "complete"]


def files_with_key(directory: Path, key: str) -> list[Path]:
    files = [path for path in (directory / "wandb").rglob("*") if path.is_file()]
    assert files
    return [path for path in files if key.encode() in path.read_bytes()]
