"""What a trial costs the driver of a search, beside Optuna alone, and whether that grows with the number of trials.

    python benchmarks/ledger_speed.py [FILE.md]

Searches of the tutorial's optimizer, without Ray and without training: the session is told up to 9 epochs a trial, and
successive halving stops most trials at the first. Milliseconds a trial, medians of the last trials before each size;
what comes before them is written into the study at once, copies of its first trials. The two take turns, so that a slow
minute of the machine slows both. No GPU; about a minute on 2 cores.

- ours: `Session.next_trial`, `epoch_ended` and `trial_ended`: the ledger, the trial's config written, checkpoints
  looked after. The architecture is pinned, and built once.
- Optuna: the same asks, reports, verdicts and tells on a plain study with the same sampler, pruner and journal. It has
  no metrics but the objective, no config and no outcome: a floor, not a peer.
- opening: what a search that goes on does before its first trial, in seconds.

Expect ours to take a constant time more than Optuna, 13 to 25 ms, most of it for the trial's config: composed anew,
written out, put on the disk.
"""

import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import optuna
import torch

from sesemi_search.atomic import write_text
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
from sesemi_search.tracking.tracker import Trackers

__all__ = ["SIZES", "measure"]

SIZES = (100, 500, 1000, 2000, 4000)
NUM_EPOCHS = 9
NUM_DRIVEN = 50  # trials that are timed before each size
_STUDY = "speed"
_SPACE = (
    "space=lenet_cosine",
    f"run.num_epochs={NUM_EPOCHS}",
    "search.num_trials=1000000",
    "search.baseline=false",
    "space.learner.hparams.model.backbone.out_features=84",
    "space.learner.hparams.model.head=cosine",
)
# Nearly all trials stop at the first epoch with asha; with none each has all its epochs.
SEARCHES = (("random", "asha"), ("random", "none"), ("tpe", "asha"))

Drive = Callable[[int], None]  # runs as many trials


class Row(NamedTuple):
    """Milliseconds a trial before a size, and seconds to open a search of that size."""

    size: int
    ours_ms: float
    floor_ms: float
    opening_s: float


def make_search(sampler: str, pruner: str) -> Plan:
    """Returns the plan of the search."""
    project = Path(__file__).parents[1] / "experiments"
    overrides = (*_SPACE, f"search/sampler={sampler}", f"search/pruner={pruner}")
    request = Request(search=True, overrides=overrides, project=project)
    return make_plan(compose_config(request))


def top1(number: int, epoch: int) -> float:
    """The value of an epoch: a trial is as good as it is, and gets a little better."""
    return 0.9 * random.Random(number).random() + 0.01 * epoch


def open_ours(plan: Plan, directory: Path) -> Drive:
    """Opens a search as its driver does; returns what runs trials of it."""
    options = plan.settings.search
    parts = {"sampler": options.sampler, "pruner": options.pruner, "seed": 0, "objectives": plan.objectives}
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
        excluded=plan.excluded,
    )
    return partial(_drive_ours, session)


def _drive_ours(session: Session, num_trials: int) -> None:
    for _ in range(num_trials):
        number = session.next_trial()
        assert isinstance(number, int)
        for epoch in range(1, NUM_EPOCHS + 1):
            value = top1(number, epoch)
            losses = {"train/loss": 1 - value, "train/top1": value, "val/loss": 1 - value, "lr": 0.1}
            metrics = {"val/top1": value, **losses, "epoch_seconds": 0.1}
            if epoch == NUM_EPOCHS:
                session.trial_ended(TrialReport(number, epoch, metrics, Outcome.complete))
            elif not session.epoch_ended(TrialReport(number, epoch, metrics)):
                break


def open_floor(plan: Plan, directory: Path) -> Drive:
    """Opens a plain study; returns what runs trials of it."""
    options = plan.settings.search
    study = optuna.create_study(
        storage=open_storage(directory, None),
        study_name=_STUDY,
        direction="maximize",
        sampler=build_sampler(options.sampler, 0, 0),
        pruner=build_pruner(options.pruner),
        load_if_exists=True,
    )
    return partial(_drive_floor, study, plan)


def _drive_floor(study: optuna.Study, plan: Plan, num_trials: int) -> None:
    for _ in range(num_trials):
        with experimental_is_fine():
            trial = study.ask()
            plan.space.sample(trial)
        state = optuna.trial.TrialState.COMPLETE
        for epoch in range(1, NUM_EPOCHS + 1):
            trial.report(top1(trial.number, epoch), epoch)
            if epoch < NUM_EPOCHS and trial.should_prune():
                state = optuna.trial.TrialState.PRUNED
                break
        done = state is optuna.trial.TrialState.COMPLETE
        study.tell(trial, top1(trial.number, NUM_EPOCHS) if done else None, state=state)


def pad(directory: Path, size: int) -> None:
    """Fills a study that nobody has open up to a size, with copies of the trials that were driven first."""
    study = optuna.load_study(storage=open_storage(directory, None), study_name=_STUDY)
    trials = study.get_trials(deepcopy=False)
    for number in range(len(trials), size):
        study.add_trial(trials[number % NUM_DRIVEN])


def measure(sampler: str, pruner: str, sizes: tuple[int, ...] = SIZES) -> list[Row]:
    """Returns the rows of a search."""
    plan = make_search(sampler, pruner)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        ours, floor = Path(folder, "ours"), Path(folder, "floor")
        for directory, make in ((ours, open_ours), (floor, open_floor)):
            directory.mkdir()
            make(plan, directory)(NUM_DRIVEN)
        for size in sizes:
            pad(ours, size - NUM_DRIVEN)
            pad(floor, size - NUM_DRIVEN)
            start = time.perf_counter()
            drive_ours = open_ours(plan, ours)
            opening_s = time.perf_counter() - start
            drive_floor = open_floor(plan, floor)
            times = [(_milliseconds(drive_ours), _milliseconds(drive_floor)) for _ in range(NUM_DRIVEN)]
            ours_ms, floor_ms = map(statistics.median, zip(*times, strict=True))
            rows.append(Row(size, ours_ms, floor_ms, opening_s))
            print(sampler, pruner, rows[-1], file=sys.stderr)
    return rows


def _milliseconds(drive: Drive) -> float:
    start = time.perf_counter()
    drive(1)
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    """Prints the tables, and writes them to a file where one is given."""
    torch.set_num_threads(1)
    lines = [
        "# What a trial costs the driver",
        "",
        f"`python benchmarks/ledger_speed.py`: medians of {NUM_DRIVEN} trials of up to {NUM_EPOCHS} epochs; Optuna "
        f"{optuna.__version__}, Python {platform.python_version()}, {platform.machine()}.",
    ]
    for sampler, pruner in SEARCHES:
        lines += ["", f"## search/sampler={sampler} search/pruner={pruner}", ""]
        lines += ["| trials | ours, ms a trial | Optuna, ms a trial | ratio | difference, ms | opening, s |"]
        lines += ["|---|---|---|---|---|---|"]
        for row in measure(sampler, pruner):
            ratio, more = row.ours_ms / row.floor_ms, row.ours_ms - row.floor_ms
            lines.append(
                f"| {row.size:,} | {row.ours_ms:.1f} | {row.floor_ms:.1f} | {ratio:.2f} | {more:.1f} "
                f"| {row.opening_s:.2f} |"
            )
    text = "\n".join(lines) + "\n"
    print(text)
    if len(sys.argv) > 1:
        write_text(Path(sys.argv[1]), text)


if __name__ == "__main__":
    main()
