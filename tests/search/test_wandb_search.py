"""A whole search with Weights & Biases, offline."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import read_trials
from tests.tracking.wandb_files import read_wandb_files

pytestmark = pytest.mark.usefixtures("no_account", "ray")


def test_offline_files_hold_one_run_a_trial(command: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    directory = tmp_path / "search"
    options = ("search.num_trials=4", "search.max_concurrent=1", "tracking.finish_timeout_s=60")
    code, output = command("run", "space=tiny", *options, f"search.dir={directory}")
    assert code == 0, output
    assert f"wandb sync {directory}/wandb/offline-run-*" in output
    runs = read_wandb_files(directory)
    ledger = read_trials(directory)
    group = next(iter(runs)).rpartition("-")[0]
    search = runs.pop(f"{group}-search")
    assert set(runs) == {trial.user_attrs["run_id"] for trial in ledger}
    assert (search.group, search.job_type, search.summary["outcome"]) == (group, "search", "finished")
    assert "run space=tiny search.num_trials=4" in search.notes
    best = search.summary["best_trial"]
    assert search.models[f"{group}-model"][0] == ["best", "latest", f"trial-{best:04d}"]
    for trial in ledger:
        run = runs[f"{group}-{trial.number:04d}"]
        assert (run.group, run.job_type) == (group, "trial")
        assert run.config["lr"] == trial.params["learner.hparams.optimizer.lr"]
        assert run.files["experiment.yaml"] == (directory / f"trials/{trial.number:04d}/config.yaml").read_text()
        assert [(row["_step"], row["val/top1"]) for row in run.history] == list(trial.intermediate_values.items())
        assert (run.tags[0], run.tags[-1]) == (run.config["backbone"], trial.user_attrs["outcome"])
        assert run.summary["last"] == trial.value
