"""A whole search with Weights & Biases: a compatible server on loopback."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import end_all, read_trials, start
from tests.tracking.wandb_server import serve_openwandb


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "search"


@pytest.fixture
def search(project: Path, directory: Path, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Runs a search to its end, with no W&B account but the one that is given; gives its output."""
    home = tmp_path / "home"
    home.mkdir()

    def run(**variables: str) -> str:
        argv = ("run", "space=tiny", "search.num_trials=4", "tracking.finish_timeout_s=60", f"search.dir={directory}")
        driver = start(project, *argv, HOME=str(home), **variables)
        output, _ = driver.communicate(timeout=180)
        assert driver.returncode == 0, output
        return str(output)

    yield run
    end_all()


@pytest.mark.slow
def test_a_server_gets_every_trial(search: Callable[..., str], directory: Path, tmp_path: Path) -> None:
    with serve_openwandb(tmp_path / "server") as server:
        output = search(**server.environment)
        assert "offline" not in output
        runs = server.runs()
        for trial in read_trials(directory):
            run_id = trial.user_attrs["run_id"]
            run = runs.pop(run_id)
            assert run["config"]["lr"] == trial.params["learner.hparams.optimizer.lr"]
            assert run["tags"] == [trial.user_attrs["outcome"]]
            assert run["summary"]["last"] == trial.value
            assert server.history(run_id, "val/top1") == list(trial.intermediate_values.items())
        assert not runs
