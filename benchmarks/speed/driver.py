"""What a trial and an epoch cost the driver of a search, beside Optuna alone, and whether that grows with their number.

    python -m benchmarks.speed.driver SAMPLER NUM_TRIALS NUM_DRIVEN

Searches of the tutorial's space without Ray and without training: the session is told up to 27 epochs a trial, and the
default pruner stops most trials at the third. Medians of the last of a number of trials, in a process of its own; those
before are written into the study at once, copies of 50 random ones. The two take turns, so that a slow minute of the
machine slows both.

- ours: `Session.next_trial`, `epoch_ended` and `trial_ended`: the ledger, the trial's config written, checkpoints
  looked after. The architecture is pinned, and built once.
- Optuna: the same asks, reports, verdicts and tells on a plain study with the same sampler, pruner and journal. It has
  no metrics but the objective, no config and no outcome.
- memory: all that the process holds at the end, both studies among it.
"""

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import optuna
import psutil

from benchmarks.speed.processes import PROJECT, ROOT, run_module
from benchmarks.speed.task import BATCH_SIZE
from sesemi_search.config.compose import Request, compose_config
from sesemi_search.search.directory import JOURNAL
from sesemi_search.search.ledger.journal import open_storage
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.records import Outcome, TrialReport
from sesemi_search.search.plan import Plan, make_plan
from sesemi_search.search.pruners import build_pruner
from sesemi_search.search.samplers.build import build_sampler, experimental_is_fine
from sesemi_search.search.session import Session
from sesemi_search.search.stopping import Budget
from sesemi_search.search.watchdog import Watchdog
from sesemi_search.tracking.tracker import Trackers

__all__ = ["DriverCost", "measure", "measure_here"]

_NUM_FIRST = 50  # trials that are copied
_RANDOM = {"_target_": "optuna.samplers.RandomSampler"}
_STUDY = "speed"
_T = TypeVar("_T")
_SPACE = (
    "space=lenet_cosine",
    "search.num_trials=1000000",
    "search.baseline=false",
    "space.learner.hparams.model.backbone.out_features=84",
    "space.learner.hparams.model.head=cosine",
    f"space.run.batch_size_per_gpu={BATCH_SIZE}",
)


class Times(NamedTuple):
    """Milliseconds on the driver: of a trial besides its epochs, and of each epoch after which it went on."""

    trial_ms: float
    epochs_ms: list[float]


class DriverCost(NamedTuple):
    """Milliseconds on the driver after a number of trials, medians.

    Attributes:
        sampler: Option of `search/sampler`.
        num_trials: Trials before.
        trial_ms: Of a trial of ours, without its epochs but the last.
        epoch_ms: Of an epoch of ours.
        optuna_trial_ms: Of a trial of Optuna alone.
        optuna_epoch_ms: Of an epoch of Optuna alone.
        opening_s: Seconds to open a search of ours.
        megabytes: What the process holds at the end, at most what a driver of ours does.
    """

    sampler: str
    num_trials: int
    trial_ms: float
    epoch_ms: float
    optuna_trial_ms: float
    optuna_epoch_ms: float
    opening_s: float
    megabytes: float

    @property
    def beyond_ms(self) -> float:
        """What a trial of ours takes more than one of Optuna's."""
        return self.trial_ms - self.optuna_trial_ms


Drive = Callable[[], Times]  # runs a trial


def measure(sampler: str, num_trials: int, num_driven: int) -> DriverCost:
    """Measures in a process of its own."""
    arguments = [sampler, str(num_trials), str(num_driven)]
    cost = DriverCost(**json.loads(run_module("benchmarks.speed.driver", arguments, ROOT).output.splitlines()[-1]))
    print(
        f"{sampler}, {num_trials:,} trials: {cost.trial_ms:.1f} ms a trial, Optuna {cost.optuna_trial_ms:.1f} ms",
        file=sys.stderr,
    )
    return cost


def measure_here(sampler: str, num_trials: int, num_driven: int) -> DriverCost:
    """Measures the last `num_driven` of so many trials in this process."""
    plan = _make_plan(sampler)
    node = plan.settings.search.sampler
    openers = (_open_ours, _open_optuna)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, opener.__name__) for opener in openers]
        for opener, folder in zip(openers, folders, strict=True):
            folder.mkdir()
            drive = opener(plan, folder, _RANDOM)
            for _ in range(_NUM_FIRST):
                drive()
            _pad(folder, num_trials - num_driven)
        start = time.perf_counter()
        ours = _open_ours(plan, folders[0], node)
        opening_s = time.perf_counter() - start
        floor = _open_optuna(plan, folders[1], node)
        turns = [(ours(), floor()) for _ in range(num_driven)]
    megabytes = psutil.Process().memory_info().rss / 1e6
    trial_ms, optuna_trial_ms = (statistics.median(turn[side].trial_ms for turn in turns) for side in (0, 1))
    epoch_ms, optuna_epoch_ms = (
        statistics.median(epoch for turn in turns for epoch in turn[side].epochs_ms) for side in (0, 1)
    )
    return DriverCost(sampler, num_trials, trial_ms, epoch_ms, optuna_trial_ms, optuna_epoch_ms, opening_s, megabytes)


def _make_plan(sampler: str) -> Plan:
    overrides = (*_SPACE, f"search/sampler={sampler}")
    return make_plan(compose_config(Request(search=True, overrides=overrides, project=PROJECT)))


def _top1(number: int, epoch: int) -> float:
    """The value of an epoch: a trial is as good as it is, and gets a little better."""
    return 0.9 * random.Random(number).random() + 0.003 * epoch


def _open_ours(plan: Plan, directory: Path, sampler: Mapping[str, Any]) -> Drive:
    """Opens a search as its driver does."""
    options = plan.settings.search
    parts = {"sampler": sampler, "pruner": options.pruner, "seed": 0, "objectives": plan.objectives}
    make = Ledger.open if (directory / JOURNAL).exists() else Ledger.create
    session = Session(
        make(directory, _STUDY, plan.space, **parts),
        plan.space,
        plan.experiment,
        plan.resolve,
        directory,
        Trackers([]),
        plan.architectures,
        limits=options.constraints,
        num_trials=options.num_trials,
        max_concurrent=1,
        max_attempts=1,
        keep_checkpoints=options.keep_checkpoints,
        budget=Budget(None, None, 1, "core"),
        watchdog=Watchdog(None, 60),
        excluded=plan.excluded,
    )
    return partial(_drive_ours, session, plan.settings.run.num_epochs)


def _drive_ours(session: Session, num_epochs: int) -> Times:
    number, trial_ms = _timed(session.next_trial)
    assert isinstance(number, int)
    epochs_ms: list[float] = []
    for epoch in range(1, num_epochs + 1):
        value = _top1(number, epoch)
        losses = {"train/loss": 1 - value, "train/top1": value, "val/loss": 1 - value, "lr": 0.1}
        metrics = {"val/top1": value, **losses, "epoch_seconds": 0.1}
        if epoch == num_epochs:
            report = TrialReport(number, epoch, metrics, Outcome.complete)
            _, ended_ms = _timed(partial(session.trial_ended, report))
            return Times(trial_ms + ended_ms, epochs_ms)
        report = TrialReport(number, epoch, metrics)
        goes_on, epoch_ms = _timed(partial(session.epoch_ended, report))
        if not goes_on:
            return Times(trial_ms + epoch_ms, epochs_ms)
        epochs_ms.append(epoch_ms)
    raise AssertionError("a trial has no end")


def _open_optuna(plan: Plan, directory: Path, sampler: Mapping[str, Any]) -> Drive:
    """Opens a plain study."""
    study = optuna.create_study(
        storage=open_storage(directory, None),
        study_name=_STUDY,
        direction="maximize",
        sampler=build_sampler(sampler, 0, 0),
        pruner=build_pruner(plan.settings.search.pruner),
        load_if_exists=True,
    )
    return partial(_drive_optuna, study, plan)


def _drive_optuna(study: optuna.Study, plan: Plan) -> Times:
    num_epochs = plan.settings.run.num_epochs
    epochs_ms: list[float] = []
    trial, trial_ms = _timed(partial(_ask, study, plan))
    for epoch in range(1, num_epochs + 1):
        goes_on, epoch_ms = _timed(partial(_report, study, trial, epoch, num_epochs))
        if not goes_on:
            return Times(trial_ms + epoch_ms, epochs_ms)
        epochs_ms.append(epoch_ms)
    raise AssertionError("a trial has no end")


def _ask(study: optuna.Study, plan: Plan) -> optuna.Trial:
    with experimental_is_fine():
        trial = study.ask()
        plan.space.sample(trial)
    return trial


def _report(study: optuna.Study, trial: optuna.Trial, epoch: int, num_epochs: int) -> bool:
    """Reports an epoch and tells a trial that ends with it; returns whether it goes on."""
    value = _top1(trial.number, epoch)
    trial.report(value, epoch)
    if epoch == num_epochs:
        study.tell(trial, value)
        return False
    if trial.should_prune():
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return False
    return True


def _pad(directory: Path, size: int) -> None:
    """Fills a study that nobody has open up to a size, with copies of the trials that were driven first."""
    study = optuna.load_study(storage=open_storage(directory, None), study_name=_STUDY)
    trials = study.get_trials(deepcopy=False)
    for number in range(len(trials), size):
        study.add_trial(trials[number % _NUM_FIRST])


def _timed(call: Callable[[], _T]) -> tuple[_T, float]:
    """Returns what a call returns, and its milliseconds."""
    start = time.perf_counter()
    result = call()
    return result, 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    print(json.dumps(measure_here(sys.argv[1], *map(int, sys.argv[2:]))._asdict()))
