"""`track`: the W&B runs of a search from its ledger, offline and at a server."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sesemi_search.commands.track import track_command
from sesemi_search.config.compose import Request
from sesemi_search.errors import ConfigError
from sesemi_search.search.directory import lock_directory
from sesemi_search.tracking.weights_and_biases import WandbTracker
from tests.search.told_search import OUTCOMES, STUDY, tell_search
from tests.tracking.wandb_files import WandbFile, read_wandb_files
from tests.tracking.wandb_resume import serve_resuming_openwandb
from tests.tracking.wandb_server import serve_silence, serve_status

pytestmark = pytest.mark.usefixtures("no_account")

Track = Callable[..., tuple[int, str]]
IDS = [f"{STUDY}-{number:04d}" for number in range(len(OUTCOMES))]
SEARCH = f"{STUDY}-search"


@pytest.fixture
def directory(told: Path, tmp_path: Path) -> Path:
    """A search that was run without W&B and whose driver was killed."""
    return Path(shutil.copytree(told, tmp_path / "search"))


@pytest.fixture
def track(capfd: pytest.CaptureFixture[str]) -> Track:
    def run(directory: Path, *overrides: str) -> tuple[int, str]:
        code = track_command(Request(search=True, overrides=[str(directory), *overrides]))
        return code, capfd.readouterr().out

    return run


def comparable(run: WandbFile) -> dict[str, Any]:
    """What a file says but for when it was written; as JSON, in which NaN is NaN."""
    content = vars(run) | {"config": {k: v for k, v in run.config.items() if k != "_wandb"}}
    for part in ("summary", "history"):
        rows = content[part] if isinstance(content[part], list) else [content[part]]
        content[part] = [
            {
                k: v
                for k, v in row.items()
                if k.split(".")[0] not in ("_timestamp", "_runtime", "_wandb") and not k.endswith("artifact_path")
            }
            for row in rows
        ]
    return {key: json.dumps(value, sort_keys=True) for key, value in content.items()}


def test_offline_files_equal_those_of_the_search(project: Path, tmp_path: Path, track: Track) -> None:
    directory = tmp_path / "search"
    tracker = WandbTracker(directory=directory, project="sesemi-search", mode="offline", finish_timeout_s=60)
    tell_search(project, directory, tracker)
    live = read_wandb_files(directory)
    shutil.rmtree(directory / "wandb")
    code, output = track(directory, "tracking.mode=offline")
    assert code == 0
    assert f"To upload them: wandb sync {directory}/wandb/offline-run-*\n7 runs written\n" in output
    anew = read_wandb_files(directory)
    assert sorted(anew) == sorted(live) == [*IDS, SEARCH]
    assert comparable(anew[SEARCH]) == comparable(live[SEARCH])
    for run_id, outcome in zip(IDS, OUTCOMES, strict=True):
        if outcome != "running":
            assert comparable(anew[run_id]) == comparable(live[run_id])
            assert anew[run_id].tags[-1] == outcome
    assert [row["_step"] for row in anew[IDS[0]].history] == [1, 2]
    # The search that was killed could not say so.
    orphan = anew[IDS[4]]
    assert orphan.tags[-1] == "orphaned"
    assert [row["_step"] for row in orphan.history] == [1]
    assert {key: orphan.summary[key] for key in ("outcome", "epochs", "best", "last")} == {
        "outcome": "orphaned",
        "epochs": 1,
        "best": 0.54,
        "last": 0.54,
    }


def test_twice_is_once_and_the_ledger_is_not_written(directory: Path, track: Track) -> None:
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert track(directory)[0] == 0
    first = read_wandb_files(directory)
    code, output = track(directory)
    assert code == 0
    assert output.count("wandb sync") == 1
    assert {key: comparable(run) for key, run in read_wandb_files(directory).items()} == {
        key: comparable(run) for key, run in first.items()
    }
    after = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and "wandb" not in path.parts}
    assert after == before


@pytest.mark.slow
def test_a_server_gets_every_trial_once(directory: Path, track: Track, tmp_path: Path, monkeypatch: Any) -> None:
    track(directory, "tracking.mode=offline")
    with serve_resuming_openwandb(tmp_path / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        code, output = track(directory, "tracking.project=digits", "tracking.init_timeout_s=60")
        assert code == 0, output
        assert "7 runs written to the W&B project digits, group told" in output
        # The offline files are replaced: uploaded as well, they would double the runs.
        assert not list((directory / "wandb").glob("offline-run-*"))
        runs = server.runs()
        assert sorted(runs) == [*IDS, SEARCH]
        assert server.history(IDS[0], "val/top1") == [(1, 0.5), (2, 0.6)]
        assert server.history(IDS[4], "epoch") == [(1, 1.0)]
        assert [runs[run_id]["tags"][-1] for run_id in IDS] == ["orphaned" if o == "running" else o for o in OUTCOMES]
        progress = server.history(SEARCH, "ended/all")
        assert track(directory, "tracking.project=digits")[0] == 0
        assert sorted(server.runs()) == [*IDS, SEARCH]
        # What came of it is shown again; how it went is not.
        assert [value for _, value in server.history(SEARCH, "ended/complete")] == [1.0] * 4
        assert [value for _, value in progress[:4]] == [1.0, 2.0, 3.0, 4.0]
        assert server.history(IDS[0], "epoch") == [(1, 1.0), (2, 2.0)]


@pytest.mark.slow
def test_a_server_that_fails_costs_the_exit_code_and_no_run(directory: Path, track: Track, monkeypatch: Any) -> None:
    with serve_status(500) as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setenv("WANDB_API_KEY", "f" * 40)
        code, output = track(directory, "tracking.init_timeout_s=1", "tracking.finish_timeout_s=5")
    assert code == 1
    assert "runs are kept offline" in output
    assert sorted(read_wandb_files(directory)) == [*IDS, SEARCH]


@pytest.mark.slow
def test_a_server_that_is_too_slow_leaves_every_run_whole_on_disk(
    directory: Path, track: Track, monkeypatch: Any
) -> None:
    with serve_silence() as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setenv("WANDB_API_KEY", "f" * 40)
        code, output = track(directory, "tracking.init_timeout_s=60", "tracking.finish_timeout_s=1")
    assert code == 1
    assert "7 runs were not fully uploaded" in output
    assert output.endswith("7 runs written, on disk what the server did not take\n")
    runs = read_wandb_files(directory)
    assert [runs[run_id].tags[-1] for run_id in IDS] == ["orphaned" if o == "running" else o for o in OUTCOMES]


def test_what_switches_wandb_off_leaves_nothing_to_write(directory: Path, track: Track, monkeypatch: Any) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with pytest.raises(ConfigError, match="WANDB_MODE=disabled"):
        track(directory)
    assert not (directory / "wandb").exists()


def test_a_trial_without_a_config_is_left_out_and_the_others_are_written(directory: Path, track: Track) -> None:
    (directory / "trials/0000/config.yaml").unlink()
    (directory / "trials/0001/config.yaml").write_text("{: no")
    (directory / "trials/0002/config.yaml").write_text("a: &a [1]\nb: *a\nrun: {num_epochs: 3}\n")
    code, output = track(directory)
    assert code == 1
    assert sorted(read_wandb_files(directory)) == [*IDS[3:], SEARCH]
    assert output.count("left out: trial") == 3
    assert "4 runs written" in output


def test_a_search_at_work_is_left_to_its_driver(directory: Path, track: Track) -> None:
    with lock_directory(directory), pytest.raises(ConfigError, match="in use by process"):
        track(directory)
    assert track(directory)[0] == 0


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["tracking=none"], "nothing to write"),
        (["search.num_trials=3"], "cannot change"),
        (["tracking.projects=x"], "Did you mean 'project'"),
        (["tracking.finish_timeout_s=0"], "positive number"),
    ],
)
def test_a_mistake_is_said_and_writes_nothing(directory: Path, overrides: list[str], says: str, track: Track) -> None:
    with pytest.raises(ConfigError, match=says):
        track(directory, *overrides)
    assert not (directory / "wandb").exists()
