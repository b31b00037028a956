"""Which trackers there are: `tracking.*` and W&B's own variables."""

from pathlib import Path

import pytest
from rich.console import Console

from sesemi_search.config.schema import TrackingConfig, TrackingMode
from sesemi_search.tracking import RunStart, run_tracker
from tests.tracking.wandb_files import read_wandb_files


def write_run(directory: Path, tracking: TrackingConfig) -> None:
    tracker = run_tracker(tracking, directory, Console(quiet=True), [])
    tracker.start(RunStart(0, "run-0", "run", "final", None, {}, {}, 1))
    tracker.log(0, 1, {"val/top1": 0.5})
    tracker.end(0, "complete", {})
    tracker.close()


@pytest.mark.parametrize(
    ("name", "value"), [("WANDB_MODE", "disabled"), ("WANDB_DISABLED", "true"), ("WANDB_DISABLED", "1")]
)
def test_what_disables_wandb_writes_nothing_and_is_said(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv(name, value)
    write_run(tmp_path, TrackingConfig())
    assert not (tmp_path / "wandb").exists()
    assert said == [f"W&B: nothing is written ({name}={value} in the environment)"]


def test_a_mode_of_the_config_wins_over_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    write_run(tmp_path, TrackingConfig(project="p", mode=TrackingMode.offline))
    assert list(read_wandb_files(tmp_path)) == ["run-0"]


@pytest.mark.parametrize("mode", [TrackingMode.auto, TrackingMode.offline])
@pytest.mark.parametrize("variable", ["offline", None])
def test_every_offline_run_says_where_it_is(
    mode: TrackingMode, variable: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    if variable is not None:
        monkeypatch.setenv("WANDB_MODE", variable)
    directory = tmp_path / "a folder"
    write_run(directory, TrackingConfig(project="p", mode=mode))
    [line] = said
    assert "kept offline" in line
    assert line.endswith(f"wandb sync '{directory}/wandb'/offline-run-*")
