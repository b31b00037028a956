"""A trial in its worker, here without one: what its modules do is its outcome."""

from pathlib import Path

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import to_yaml
from sesemi_search.search.directory import trial_dir
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.plan import make_plan
from sesemi_search.search.trial import TrialRun
from sesemi_search.space.corners import branch_ends


@pytest.mark.parametrize("name", ["ExitsInEpoch2", "MuteInEpoch2"])
def test_a_module_that_exits_or_raises_what_cannot_be_shown_fails_its_trial(
    name: str, project: Path, tmp_path: Path
) -> None:
    backbone = f"space.learner.hparams.model.backbone={{_target_: faulty.exits.{name}}}"
    overrides = ["space=tiny", "space.learner.hparams.model.head=linear", backbone]
    plan = make_plan(compose_config(Request(search=True, overrides=overrides, project=project)))
    folder = trial_dir(tmp_path, 0)
    folder.mkdir(parents=True)
    params, _ = next(iter(branch_ends(plan.space, 1)))
    (folder / "config.yaml").write_text(to_yaml(plan.resolve(plan.space.apply(plan.experiment, params))))
    trial = TrialRun(tmp_path, 0, plan.data)
    first, second = trial.step(), trial.step()
    assert (first.outcome, second.outcome) == (None, Outcome.error)
    assert "faulty/exits.py" in second.message
