"""A trial in its worker, here without one: what its modules do is its outcome."""

import shutil
from pathlib import Path

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import to_yaml
from sesemi_search.search.directory import trial_dir
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.plan import make_plan
from sesemi_search.search.trial import TrialRun
from sesemi_search.space.corners import branch_ends


def begin_trial(project: Path, directory: Path, *overrides: str) -> TrialRun:
    """Begins a trial of `tiny` with one head, its numbers at their low ends."""
    overrides = ("space=tiny", "space.learner.hparams.model.head=linear", *overrides)
    plan = make_plan(compose_config(Request(search=True, overrides=overrides, project=project)))
    folder = trial_dir(directory, 0)
    folder.mkdir(parents=True, exist_ok=True)
    params, _ = next(iter(branch_ends(plan.space, 1)))
    (folder / "config.yaml").write_text(to_yaml(plan.resolve(plan.space.apply(plan.experiment, params))))
    return TrialRun(directory, 0, plan.data)


@pytest.mark.parametrize("name", ["ExitsInEpoch2", "MuteInEpoch2"])
def test_a_module_that_exits_or_raises_what_cannot_be_shown_fails_its_trial(
    name: str, project: Path, tmp_path: Path
) -> None:
    trial = begin_trial(project, tmp_path, f"space.learner.hparams.model.backbone={{_target_: faulty.exits.{name}}}")
    first, second = trial.step(), trial.step()
    assert (first.outcome, second.outcome) == (None, Outcome.error)
    assert "faulty/exits.py" in second.message


def test_a_checkpoint_of_another_trial_in_the_same_folder_is_not_taken_up(project: Path, tmp_path: Path) -> None:
    rate = "space.learner.hparams.optimizer.lr"
    clean, other, mixed = (tmp_path / name for name in ("clean", "other", "mixed"))
    undisturbed = begin_trial(project, clean, f"{rate}=0.1").step()
    assert begin_trial(project, other, f"{rate}=0.2").step().epoch == 1
    trial = begin_trial(project, mixed, f"{rate}=0.1")
    shutil.copy(trial_dir(other, 0) / "checkpoint.pt", trial_dir(mixed, 0))
    report = trial.step()
    assert report.epoch == 1
    assert report.metrics["train/loss"] == undisturbed.metrics["train/loss"]
    # Its own is: the first report is that of the epoch it holds.
    shutil.copy(trial_dir(clean, 0) / "checkpoint.pt", trial_dir(mixed, 0))
    own = begin_trial(project, mixed, f"{rate}=0.1")
    assert (own.step().epoch, own.step().epoch) == (1, 2)
