"""The W&B key of a search stays in the environment: no file and no output has it, whatever goes wrong."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import end_all, read_trials, start
from tests.tracking.wandb_server import serve_openwandb

pytestmark = pytest.mark.slow

KEY = "local" + "c0ffee" * 6 + "abcd"
CLASSES = "faulty.second_epoch"
TWO_TRIALS = (
    "run",
    "space=tiny",
    f"space.learner.hparams.model.backbone={{choice: {{good: {{_target_: {CLASSES}.Counted}}, "
    f"bad: {{_target_: {CLASSES}.Raises}}}}}}",
    "space.learner.hparams.model.head=linear",
    "space.learner.hparams.model.head.dropout=0.1",
    "space.learner.hparams.optimizer.lr=0.1",
    "search/sampler=grid",
)


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Where Ray keeps sockets and logs; their paths must be short."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)
        end_all()


def files_with(text: str, folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if text in str(path) or text.encode() in path.read_bytes()]


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_no_file_and_no_output_of_a_search_has_the_key(
    mode: str, project: Path, directory: Path, tmp_path: Path, ray_folder: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with serve_openwandb(tmp_path / "server") as server:
        variables = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY, "HOME": str(home), "TMPDIR": str(ray_folder)}
        search = start(
            project,
            *TWO_TRIALS,
            f"search.dir={directory}",
            f"tracking.mode={mode}",
            RAY_TMPDIR=str(ray_folder),
            **variables,
        )
        output, _ = search.communicate(timeout=120)
        assert search.returncode == 0, output
        sent = server.runs()
    trials = read_trials(directory)
    assert sorted(trial.user_attrs["outcome"] for trial in trials) == ["complete", "error"]
    assert len(sent) == (3 if mode == "online" else 0)  # two trials and the search
    assert KEY not in output
    for folder in (directory, ray_folder, home, project):
        assert files_with(KEY, folder) == []
    # The scan finds what is there: a run's id in W&B's files, a trial's error in the search's, a name in Ray's logs.
    assert files_with(trials[0].user_attrs["run_id"], directory / "wandb")
    assert files_with("does not like its second epoch", directory)
    assert files_with("raylet", ray_folder)
