"""Whole searches with Weights & Biases: offline files, and a compatible server on loopback."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.tracking.wandb_files import read_wandb_files
from tests.tracking.wandb_server import serve_openwandb


def trials(directory: Path) -> list[optuna.trial.FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(directory / "study.journal")))
    return optuna.load_study(study_name=None, storage=storage).get_trials()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "search"


@pytest.fixture
def start(project: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the program with no W&B account but the one that is given."""

    def run(*argv: str, **variables: str) -> subprocess.Popen[str]:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        return subprocess.Popen(
            [sys.executable, "-m", "sesemi_search", *argv],
            cwd=project,
            env=environment | {"HOME": str(home)} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


def test_offline_files_hold_one_run_a_trial(start: Callable[..., subprocess.Popen[str]], directory: Path) -> None:
    output, _ = start("run", "space=tiny", f"search.dir={directory}").communicate(timeout=120)
    assert f"wandb sync {directory}/wandb/offline-run-*" in output
    runs = read_wandb_files(directory)
    ledger = trials(directory)
    assert set(runs) == {trial.user_attrs["run_id"] for trial in ledger}
    group = next(iter(runs)).rpartition("-")[0]
    for trial in ledger:
        run = runs[f"{group}-{trial.number:04d}"]
        assert (run.group, run.job_type) == (group, "trial")
        assert run.config["lr"] == trial.params["learner.hparams.optimizer.lr"]
        assert run.config["experiment"]["learner"]["hparams"]["optimizer"]["lr"] == run.config["lr"]
        assert [(row["_step"], row["val/top1"]) for row in run.history] == list(trial.intermediate_values.items())
        assert run.tags == [trial.user_attrs["outcome"]]
        assert run.summary["last"] == trial.value


def test_a_server_gets_every_trial(
    start: Callable[..., subprocess.Popen[str]], directory: Path, tmp_path: Path
) -> None:
    with serve_openwandb(tmp_path / "server") as server:
        output, _ = start(
            "run", "space=tiny", f"search.dir={directory}", "tracking.finish_timeout_s=60", **server.environment
        ).communicate(timeout=180)
        assert "offline" not in output
        runs = server.runs()
        for trial in trials(directory):
            run_id = trial.user_attrs["run_id"]
            run = runs.pop(run_id)
            assert run["config"]["lr"] == trial.params["learner.hparams.optimizer.lr"]
            assert run["tags"] == [trial.user_attrs["outcome"]]
            assert run["summary"]["last"] == trial.value
            assert server.history(run_id, "val/top1") == list(trial.intermediate_values.items())
        assert not runs


@pytest.mark.slow
def test_a_server_that_disappears_does_not_stop_the_search(
    start: Callable[..., subprocess.Popen[str]], directory: Path, tmp_path: Path
) -> None:
    with serve_openwandb(tmp_path / "server") as server:
        slow = "space.learner.hparams.model.backbone={_target_: faulty.Slow}"
        search = start(
            "run", "space=tiny", slow, f"search.dir={directory}", "tracking.finish_timeout_s=15", **server.environment
        )
        deadline = time.monotonic() + 60
        while not server.runs():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        server.kill()
        output, _ = search.communicate(timeout=180)
    assert search.returncode == 0, output
    assert "Traceback" not in output
    assert len(trials(directory)) == 6
    assert {trial.state.name for trial in trials(directory)} <= {"COMPLETE", "PRUNED"}
