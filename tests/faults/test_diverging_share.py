"""Half of a space diverges: the sampler must learn to stay away. Optuna alone, with a made-up objective."""

import math
from pathlib import Path

import pytest

from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

pytestmark = pytest.mark.slow

NUM_TRIALS = 60
SEEDS = range(5)
EDGE = math.sqrt(0.001)  # the middle of the space; everything above it diverges
BEST = {"inside": EDGE / 10**0.75, "at the edge": EDGE}
TOP1 = Objectives((Objective("val/top1", True),))
SPACE = Space(parse_space({"lr": {"float": [0.001, 1], "log": True}, "momentum": {"float": [0, 0.99]}}))
TPE = {"_target_": "optuna.samplers.TPESampler", "multivariate": True, "group": True, "n_startup_trials": 10}
NONE = {"_target_": "optuna.pruners.NopPruner"}


def shares(folder: Path, seed: int, best: float, told_as: Outcome) -> list[float]:
    """The share of diverging trials in each third of a search."""
    folder.mkdir()
    ledger = Ledger.create(folder, "study", SPACE, sampler=TPE, pruner=NONE, seed=seed, objectives=TOP1)
    diverged = []
    for _ in range(NUM_TRIALS):
        record = ledger.ask()
        lr, momentum = record.params["lr"], record.params["momentum"]
        diverged.append(lr > EDGE)
        if lr > EDGE:
            ledger.report(record.number, 1, math.nan, {"train/loss": math.nan})
            ledger.tell(record.number, told_as)
        else:
            ledger.report(record.number, 1, 1 - abs(math.log10(lr / best)) / 3 - (momentum - 0.9) ** 2, {})
            ledger.tell(record.number, Outcome.complete)
    third = NUM_TRIALS // 3
    return [sum(diverged[i : i + third]) / third for i in range(0, NUM_TRIALS, third)]


def test_the_share_of_diverging_trials_falls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mean: dict[tuple[str, Outcome], list[float]] = {}
    for where, best in BEST.items():
        for told_as in (Outcome.diverged, Outcome.error):  # PRUNED, FAIL
            by_seed = [shares(tmp_path / f"{where}-{told_as}-{seed}", seed, best, told_as) for seed in SEEDS]
            mean[where, told_as] = [sum(column) / len(by_seed) for column in zip(*by_seed, strict=True)]
    with capsys.disabled():
        print(f"\nshare of diverging trials in each third of {NUM_TRIALS}, mean of {len(SEEDS)} searches:")
        for (where, told_as), thirds in mean.items():
            state = "PRUNED (as we do)" if told_as is Outcome.diverged else "FAIL"
            print(f"  best value {where}, told as {state}: " + ", ".join(f"{share:.2f}" for share in thirds))
    for where in BEST:
        assert mean[where, Outcome.diverged][2] < mean[where, Outcome.error][2]
    first, second, third = mean["inside", Outcome.diverged]
    assert third < second < first
    assert third < first / 2
