"""An online W&B run whose worker and then whose driver is killed: at the server it is one run with each step once."""

import signal
from pathlib import Path

import pytest

from tests.processes import count_reports, descendants, read_trials, start, wait_for, workers
from tests.tracking.wandb_resume import serve_resuming_openwandb

pytestmark = pytest.mark.slow

NUM_EPOCHS = 8
ONE_TRIAL = (
    "run",
    "space=tiny",
    "tracking=wandb",
    "space.learner.hparams.model.backbone={_target_: faulty.second_epoch.Counted, batch_seconds: 0.04}",
    "space.learner.hparams.model.head=linear",
    "search.num_trials=1",
    f"run.num_epochs={NUM_EPOCHS}",
)


def test_a_run_goes_on_with_no_doubled_and_no_missing_step(project: Path, directory: Path, tmp_path: Path) -> None:
    with serve_resuming_openwandb(tmp_path / "server") as server:
        variables = {**server.environment, "HOME": str(tmp_path)}
        driver = start(project, *ONE_TRIAL, f"search.dir={directory}", **variables)
        wait_for(lambda: count_reports(directory) >= 2 and bool(server.runs()), interval_s=0.01)
        for worker in workers(driver.pid):
            worker.kill()
        wait_for(lambda: count_reports(directory) >= 4, interval_s=0.01)
        left = [process for process in descendants(driver.pid) if "wandb" in " ".join(process.cmdline())]
        assert left
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        # The process that talks to W&B outlives its driver by some seconds, in which it sends what it has. The service
        # would overwrite its lines by their offsets; openwandb would have both.
        wait_for(lambda: not any(process.is_running() for process in left))
        [orphan] = read_trials(directory)
        assert 4 <= len(orphan.intermediate_values) < NUM_EPOCHS
        sent = server.history(orphan.user_attrs["run_id"], "epoch")
        resumed = start(project, "resume", str(directory), "tracking.finish_timeout_s=60", **variables)
        output, _ = resumed.communicate(timeout=120)
        assert resumed.returncode == 0, output
        [trial] = read_trials(directory)
        assert trial.user_attrs["attempts"] == 3
        run_id = trial.user_attrs["run_id"]
        run = server.runs().pop(run_id)
        steps = [(epoch, float(epoch)) for epoch in range(1, NUM_EPOCHS + 1)]
        assert server.history(run_id, "epoch") == steps
        assert sent == steps[: len(sent)]
        assert len(sent) >= 2
        assert server.history(run_id, "val/top1") == list(trial.intermediate_values.items())
        assert run["tags"][-1] == "complete"
