"""A search directory as a search leaves it, without Ray and without training: its session is told what happened."""

import math
from pathlib import Path

from sesemi_search.atomic import write_text
from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import plain, to_yaml
from sesemi_search.search.directory import SEARCH_YAML
from sesemi_search.search.ledger import Ledger
from sesemi_search.search.limits import Budget
from sesemi_search.search.plan import make_plan, resolve_plain
from sesemi_search.search.records import Outcome, TrialReport
from sesemi_search.search.session import Session
from sesemi_search.tracking.fan_out import Trackers
from sesemi_search.tracking.tracker import Tracker

__all__ = ["OUTCOMES", "STUDY", "tell_search"]

STUDY = "told"
# By number; one trial is running when the driver dies.
OUTCOMES = ("complete", "stopped", "diverged", "error", "running", "interrupted")


def tell_search(project: Path, directory: Path, tracker: Tracker | None = None) -> None:
    """Leaves a search of a trial of each outcome, those of more than one epoch with two."""
    overrides = ["space=tiny", f"search.study={STUDY}", "search/pruner=none", "tracking=none"]
    plan = make_plan(compose_config(Request(search=True, overrides=overrides, project=project)), lambda line: None)
    options = plan.settings.search
    directory.mkdir()
    write_text(directory / SEARCH_YAML, to_yaml(plain(plan.config)))
    ledger = Ledger.create(
        directory,
        STUDY,
        plan.space,
        sampler=options.sampler,
        pruner=options.pruner,
        seed=0,
        maximize=True,
    )
    session = Session(
        ledger,
        plan.space,
        plan.experiment,
        resolve_plain,
        directory,
        tracker or Trackers([]),
        plan.architectures,
        metric="val/top1",
        num_trials=len(OUTCOMES),
        max_concurrent=2,
        max_attempts=2,
        keep_checkpoints=3,
        budget=Budget(None, None, 1, "core"),
    )
    for number, outcome in enumerate(OUTCOMES):
        assert session.next_trial() == number
        session.epoch_ended(TrialReport(number, 1, _metrics(0.5 + number / 100)))
        if outcome == "interrupted":
            session.worker_lost(number, "killed")
        elif outcome == "error":
            session.trial_ended(TrialReport(number, 1, {}, Outcome.error, "Traceback: no"))
        elif outcome != "running":
            top1 = math.nan if outcome == "diverged" else 0.6 - number / 100
            session.trial_ended(TrialReport(number, 2, _metrics(top1), Outcome(outcome)))


def _metrics(top1: float) -> dict[str, float]:
    return {"val/top1": top1, "train/loss": 1 - top1, "lr": 0.1, "epoch_seconds": 0.5}
