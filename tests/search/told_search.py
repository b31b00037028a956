"""A search directory as a search leaves it, without Ray and without training: its session is told what happened."""

import math
from functools import partial
from pathlib import Path

from sesemi_search.atomic import write_text
from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import plain, to_yaml
from sesemi_search.report.tracked_search import TrackedSearch, read_facts
from sesemi_search.search.directory import JOURNAL, SEARCH_YAML
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.records import LossKind, Outcome, TrialReport, WorkerLoss
from sesemi_search.search.plan import make_plan
from sesemi_search.search.session import Session
from sesemi_search.search.stopping import Budget
from sesemi_search.search.watchdog import Watchdog
from sesemi_search.tracking.tracker import Tracker, Trackers
from sesemi_search.tracking.weights_and_biases import WandbTracker

__all__ = ["OUTCOMES", "STUDY", "metrics", "open_session", "tell_search"]

STUDY = "told"
# By number; one trial is running when the driver dies.
OUTCOMES = ("complete", "stopped", "diverged", "error", "running", "interrupted")


def open_session(
    project: Path,
    directory: Path,
    *overrides: str,
    tracker: Tracker | None = None,
    watchdog: Watchdog | None = None,
    wandb: WandbTracker | None = None,
) -> tuple[Session, Ledger]:
    """Begins the search of `tiny` that the overrides describe, or goes on with it, as far as its driver would."""
    overrides = ("space=tiny", f"search.study={STUDY}", "tracking=none", "search.baseline=false", *overrides)
    plan = make_plan(compose_config(Request(search=True, overrides=overrides, project=project)))
    options = plan.settings.search
    directory.mkdir(exist_ok=True)
    write_text(directory / SEARCH_YAML, to_yaml(plain(plan.config)))
    open_ledger = Ledger.open if (directory / JOURNAL).exists() else Ledger.create
    ledger = open_ledger(
        directory,
        STUDY,
        plan.space,
        sampler=options.sampler,
        pruner=options.pruner,
        seed=options.seed,
        objectives=plan.objectives,
    )
    if wandb is not None:
        tracker = TrackedSearch(wandb, partial(read_facts, ledger, directory, options, plan.space), with_model=True)
    session = Session(
        ledger,
        plan.space,
        plan.experiment,
        plan.resolve,
        directory,
        tracker or Trackers([]),
        plan.architectures,
        limits=options.constraints,
        num_trials=options.num_trials,
        max_concurrent=options.max_concurrent or 2,
        max_attempts=2,
        keep_checkpoints=3,
        budget=Budget(None, None, 1, "core"),
        watchdog=watchdog or Watchdog(None, 60),
        excluded=plan.excluded,
    )
    return session, ledger


def tell_search(project: Path, directory: Path, wandb: WandbTracker | None = None) -> None:
    """Leaves a search of a trial of each outcome, those of more than one epoch with two; tells W&B of it."""
    session, _ = open_session(project, directory, "search/pruner=none", wandb=wandb)
    for number, outcome in enumerate(OUTCOMES):
        assert session.next_trial() == number
        session.epoch_ended(TrialReport(number, 1, metrics(0.5 + number / 100)))
        if outcome == "interrupted":
            session.worker_lost(number, WorkerLoss(LossKind.died, "killed"))
        elif outcome == "error":
            session.trial_ended(TrialReport(number, 1, {}, Outcome.error, "Traceback: no"))
        elif outcome != "running":
            top1 = math.nan if outcome == "diverged" else 0.6 - number / 100
            session.trial_ended(TrialReport(number, 2, metrics(top1), Outcome(outcome)))
    session._tracker.close()


def metrics(top1: float, seconds: float = 0.5) -> dict[str, float]:
    """The metrics of an epoch."""
    return {"val/top1": top1, "train/loss": 1 - top1, "lr": 0.1, "epoch_seconds": seconds}
