"""A whole search with Weights & Biases: a compatible server on loopback."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import end_all, read_trials, start
from tests.tracking.wandb_server import OpenWandb, serve_openwandb

NUM_TRIALS = 30
PATIENT = ("tracking.init_timeout_s=60", "tracking.finish_timeout_s=90")
SEARCH = ("run", "space=tiny", "run.num_epochs=2", f"search.num_trials={NUM_TRIALS}", *PATIENT)
# The rate of `tiny` under an option, and no width.
OTHER = (
    *("run", "space=tiny", "search.num_trials=2", *PATIENT, "run.num_epochs=1"),
    "space.learner.hparams.model.backbone.out_features=8",
    "space.learner.hparams.optimizer={choice: {sgd: {_target_: torch.optim.SGD, lr: {float: [0.01, 1]}}}}",
)
FACTS = {"backbone", "head", "seed", "num_epochs", "num_params", "flops"}


@pytest.fixture
def command(project: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Runs a verb to its end, with no W&B account but the one that is given; gives its output."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*argv: str, **variables: str) -> str:
        driver = start(project, *argv, HOME=str(home), **variables)
        output, _ = driver.communicate(timeout=300)
        assert driver.returncode == 0, output
        return str(output)

    yield run
    end_all()


def told(server: OpenWandb) -> dict[str, dict[str, Any]]:
    """What a server has of each run but for times and for where it keeps things."""
    runs = server.runs()
    for run_id, run in runs.items():
        files = server.files(run_id)
        run["summary"] = strip(json.loads(files["wandb-summary.json"].read_text()))
        run["config"].pop("_wandb")
        run["yaml"] = {name: path.read_text() for name, path in files.items() if "media" not in name}
        for name in ("config.yaml", "wandb-summary.json"):  # W&B's own
            run["yaml"].pop(name)
        run["media"] = sorted(name.partition("_")[0] for name in files if "media" in name)
        run["top1"] = server.history(run_id, "val/top1")
        run["progress"] = [value for _, value in server.history(run_id, "progress")]
        run["models"] = server.models(run_id)
    return runs


def strip(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: strip(v) for k, v in value.items() if not k.startswith("_") and "artifact_path" not in k}


@pytest.mark.slow
def test_a_server_gets_all_of_a_search_online_by_track_and_offline(
    command: Callable[..., str], tmp_path: Path, project: Path
) -> None:
    directory = tmp_path / "search"
    with serve_openwandb(tmp_path / "online") as server:
        output = command(*SEARCH, f"search.dir={directory}", **server.environment)
        assert "offline" not in output
        online = told(server)
        command(*OTHER, f"search.dir={tmp_path / 'other'}", **server.environment)
        others = {key: run for key, run in server.runs().items() if key not in online}
    check(online, directory)
    shutil.rmtree(directory / "wandb")
    with serve_openwandb(tmp_path / "tracked") as server:
        command("track", str(directory), *PATIENT, **server.environment)
        assert told(server) == online
    shutil.rmtree(directory / "wandb")
    command("track", str(directory), "tracking.mode=offline")
    with serve_openwandb(tmp_path / "synced") as server:
        sync = f"{Path(sys.executable).parent}/wandb sync {directory}/wandb/offline-run-*"
        environment = {**server.environment, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        subprocess.run(sync, shell=True, check=True, capture_output=True, timeout=200, cwd=tmp_path, env=environment)
        assert told(server) == online
    # A parameter keeps its column, whatever option it is under and whatever else is varied.
    [varied] = [set(run["config"]) - FACTS for key, run in others.items() if key.endswith("-0001")]
    assert {"lr", "head/choice", "optimizer/choice"} <= varied
    assert {"lr", "head/choice", "backbone/out_features"} <= set().union(*(run["config"] for run in online.values()))


def check(runs: dict[str, dict[str, Any]], directory: Path) -> None:
    """Sees that each trial and the search have all that is said of them."""
    trials = read_trials(directory)
    study = trials[0].user_attrs["run_id"].rpartition("-")[0]
    for trial in trials:
        run = runs[trial.user_attrs["run_id"]]
        params = {name.removeprefix("learner.hparams."): value for name, value in trial.params.items()}
        config, summary, outcome = run["config"], run["summary"], trial.user_attrs["outcome"]
        assert FACTS <= set(config)
        assert len(config) < 15
        assert config["lr"] == params["optimizer.lr"]
        assert config["head/choice"] == params["model.head"]
        assert config["num_params"] == trial.user_attrs["num_params"]
        assert run["name"].startswith(f"{trial.number:04d} {params['model.head']} lr=")
        assert run["tags"][:2] == [config["backbone"], config["head"]]
        assert run["tags"][-1] == outcome
        assert run["top1"] == list(trial.intermediate_values.items())
        assert summary["val/top1"] == {"max": max(trial.intermediate_values.values()), "last": trial.value}
        assert (summary["last"], summary["outcome"]) == (trial.value, outcome)
        assert run["yaml"]["experiment.yaml"] == (directory / f"trials/{trial.number:04d}/config.yaml").read_text()
        assert run["notes"].splitlines()[0] == f"search directory: {directory}"
    search = runs[f"{study}-search"]
    assert len(runs) == len(trials) + 1
    assert search["progress"] == [(n + 1) / NUM_TRIALS for n in range(NUM_TRIALS)]
    best = max((trial.value, -trial.number) for trial in trials if trial.user_attrs["outcome"] == "complete")
    assert (search["summary"]["best"], search["summary"]["best_trial"]) == (best[0], -best[1])
    assert search["summary"]["best/val/top1"] == {"max": best[0], "last": best[0]}
    assert search["tags"] == ["tiny", "finished"]
    assert f"run space=tiny run.num_epochs=2 search.num_trials={NUM_TRIALS}" in search["notes"]
    assert {"media/table/trials", "media/table/importances"} <= set(search["media"])
    assert search["models"][f"{study}-model"]["trial"] == -best[1]
    assert search["yaml"]["search.yaml"] == (directory / "search.yaml").read_text()
