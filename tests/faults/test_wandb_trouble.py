"""Searches whose W&B server hangs, fails or disappears."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import count_reports, read_trials, start, wait_for
from tests.tracking.wandb_server import API_KEY, serve_openwandb, serve_silence, serve_status

pytestmark = pytest.mark.slow

FINISH_TIMEOUT_S = 8
# What W&B may add to a search: the wait for uploads at its end, and the work of its processes, which take CPU time
# from the trials on a machine of two cores.
BOUND_S = FINISH_TIMEOUT_S + 7
NUM_TRIALS = 6


@pytest.fixture(scope="module")
def seconds(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., float]:
    """Runs a search to its end and checks it; gives its wall seconds."""

    def run(*overrides: str, meanwhile: Callable[[Path], None] | None = None, **variables: str) -> float:
        folder = tmp_path_factory.mktemp("wandb")
        directory = folder / "search"
        began = time.monotonic()
        driver = start(
            project,
            "run",
            "space=tiny",
            "space.learner.hparams.model.backbone={_target_: faulty.Slow}",
            f"search.num_trials={NUM_TRIALS}",
            f"search.dir={directory}",
            *overrides,
            HOME=str(folder),
            **variables,
        )
        if meanwhile is not None:
            meanwhile(directory)
        output, _ = driver.communicate(timeout=180)
        elapsed = time.monotonic() - began
        assert driver.returncode == 0, output
        assert "Traceback" not in output
        trials = read_trials(directory)
        assert len(trials) == NUM_TRIALS
        assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}
        if variables:
            assert "offline" in output, output
        return elapsed

    return run


@pytest.fixture(scope="module")
def alone(seconds: Callable[..., float]) -> float:
    """Wall seconds of the same search without W&B."""
    return seconds("tracking=none")


def check(kind: str, elapsed: float, alone: float, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\n" + json.dumps({"server": kind, "seconds": round(elapsed, 1), "without_wandb": round(alone, 1)}))
    assert elapsed < alone + BOUND_S


def tracking(url: str) -> dict[str, str]:
    return {"WANDB_BASE_URL": url, "WANDB_API_KEY": API_KEY}


LIMIT = f"tracking.finish_timeout_s={FINISH_TIMEOUT_S}"


def test_a_server_that_never_answers_holds_nobody_up(
    seconds: Callable[..., float], alone: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve_silence() as url:
        check("hangs", seconds(LIMIT, **tracking(url)), alone, capsys)


def test_a_server_that_answers_500_holds_nobody_up(
    seconds: Callable[..., float], alone: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve_status(500) as url:
        check("answers 500", seconds(LIMIT, **tracking(url)), alone, capsys)


def test_a_server_that_disappears_holds_nobody_up(
    seconds: Callable[..., float], alone: float, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with serve_openwandb(tmp_path / "server") as server:

        def kill(directory: Path) -> None:
            wait_for(lambda: bool(server.runs()) and count_reports(directory) > 0)
            server.kill()

        check("disappears", seconds(LIMIT, meanwhile=kill, **server.environment), alone, capsys)
