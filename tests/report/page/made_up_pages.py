"""Made-up searches for the page: halved on two slots with bars and times, wide, of no use, of two objectives."""

import math
import random
from datetime import datetime, timedelta
from pathlib import Path

from sesemi_search.search.ledger.records import Bar, Origin, Outcome, TrialRecord
from tests.made_up_search import HEAD, LR, PROJECT, WIDTH, make_up_search, trial

__all__ = [
    "BEGAN",
    "NUM_EPOCHS",
    "RUNGS",
    "halved_trials",
    "make_up_failed_search",
    "make_up_two_objectives",
    "make_up_wide_search",
]

BEGAN = datetime(2026, 1, 1, 12)
NUM_EPOCHS, RUNGS = 27, (3, 9)
_NUM_OPTIONS, _NUM_EACH = 10, 3
_WIDE = """\
# @package _global_
defaults: [/tiny, _self_]
space:
  learner:
    hparams:
      optimizer: {lr: {float: [0.01, 1], log: true}}
      model: {head: {choice: {OPTIONS}}}
"""


def halved_trials(num_trials: int, num_slots: int = 2, seed: int = 0) -> list[TrialRecord]:
    """Returns trials of `tiny` as successive halving leaves them, the first of them the experiment's own config."""
    draws, records = random.Random(seed), []
    free = [0.0] * num_slots
    reached: dict[int, list[float]] = {rung: [] for rung in RUNGS}
    for number in range(num_trials):
        lr, width = 10 ** draws.uniform(-2, 0), draws.randint(4, 64)
        head = draws.choice(["linear", "scaled"])
        inner = (
            {f"{HEAD}.linear.dropout": draws.uniform(0, 0.5)}
            if head == "linear"
            else {f"{HEAD}.scaled.scale": draws.uniform(1, 32)}
        )
        end = 0.97 - 0.06 * (math.log10(lr) + 0.9) ** 2 + 0.01 * math.log(width / 32) + 0.006 * (head == "scaled")
        curve = [end - 0.5 * math.exp(-epoch / 2.5) + draws.gauss(0, 0.004) for epoch in range(1, NUM_EPOCHS + 1)]
        values, bar, outcome = curve, None, Outcome.complete
        for rung in RUNGS if number else ():
            reached[rung].append(curve[rung - 1])
            rivals = sorted(reached[rung], reverse=True)
            places = len(rivals) // 3
            if not places or curve[rung - 1] < rivals[places - 1]:
                values, outcome = curve[:rung], Outcome.stopped
                bar = Bar(rung, rivals[places - 1] if places else None, places, len(rivals))
                break
        slot = free.index(min(free))
        began = BEGAN + timedelta(seconds=free[slot])
        free[slot] += 0.6 * len(values)
        records.append(
            trial(
                number,
                values,
                outcome,
                params={WIDTH: width, HEAD: head, **inner, LR: lr},
                num_params=785 * width,
                flops=1570 * width,
                bar=bar,
                began=began,
                ended=BEGAN + timedelta(seconds=free[slot]),
                origin=Origin.sampled if number else Origin.baseline,
            )
        )
    return records


def make_up_wide_search(folder: Path, num_trials: int) -> Path:
    """Writes a search of 30 conditional dimensions, three to each of ten heads."""
    project = folder / "project"
    for name in ("configs", "src", "search_spaces/space"):
        (project / name).mkdir(parents=True)
    (project / "configs/tiny.yaml").write_text((PROJECT / "configs/tiny.yaml").read_text())
    domains = ", ".join(f"d{k}: {{float: [0, 1]}}" for k in range(_NUM_EACH))
    options = ", ".join(f"head{k}: {{_target_: some.Head{k}, {domains}}}" for k in range(_NUM_OPTIONS))
    (project / "search_spaces/space/wide.yaml").write_text(_WIDE.replace("OPTIONS", options))
    draws, records = random.Random(0), []
    for number in range(num_trials):
        head = f"head{draws.randrange(_NUM_OPTIONS)}"
        inner = {f"{HEAD}.{head}.d{k}": draws.random() for k in range(_NUM_EACH)}
        value = sum(inner.values()) / _NUM_EACH
        params = {HEAD: head, **inner, LR: 10 ** draws.uniform(-2, 0)}
        records.append(trial(number, [value / 2, value * 0.8, value], params=params))
    return make_up_search(folder / "wide", records, space="wide", project=project, configs=False)


def make_up_failed_search(directory: Path) -> Path:
    """Writes a search of which every trial failed, in three ways."""
    message = 'Traceback:\n  File "a.py", line 1, in f\nValueError: no such width'
    records = [
        trial(0, [], Outcome.error, message=message),
        trial(1, [0.1], Outcome.out_of_memory, message="CUDA out of memory"),
        trial(2, [], Outcome.error, message=message),
        trial(3, [0.5, math.nan], Outcome.diverged),
    ]
    return make_up_search(directory, records)


def make_up_two_objectives(directory: Path, num_trials: int) -> Path:
    """Writes a search for accuracy and few parameters."""
    objectives = ("search.metric=[val/top1,num_params]", "search.mode=[max,min]")
    return make_up_search(
        directory, halved_trials(num_trials), *objectives, f"run.num_epochs={NUM_EPOCHS}", configs=False
    )
