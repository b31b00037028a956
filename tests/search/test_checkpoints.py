import random

import pytest

from sesemi_search.search.checkpoints import Checkpoints
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome, TrialRecord

NUM_KEPT = 3
ONE = Objectives((Objective("val/top1", True),))
TWO = Objectives((Objective("val/top1", True), Objective("num_params", False)), within=0.2)


def complete(number: int, value: float, num_params: int = 1) -> TrialRecord:
    return TrialRecord(number, {}, {1: value}, {1: {"val/top1": value}}, Outcome.complete, num_params=num_params)


@pytest.mark.parametrize("objectives", [ONE, TWO])
def test_trials_that_come_one_by_one_keep_what_they_would_keep_together(objectives: Objectives) -> None:
    rng = random.Random(0)
    records = [complete(i, rng.randrange(8) / 8, rng.randrange(5)) for i in range(60)]  # with equals among them
    checkpoints = Checkpoints(objectives, NUM_KEPT, [])
    for count, record in enumerate(records, 1):
        before = checkpoints.kept
        gone = checkpoints.add(record)
        best = objectives.best(records[:count])
        ranked = sorted(records[:count], key=lambda r: (r is not best, -r.values[1], r.number))
        assert checkpoints.kept == {r.number for r in ranked[:NUM_KEPT]}
        assert checkpoints.kept == Checkpoints(objectives, NUM_KEPT, records[:count]).kept
        assert gone == (before | {record.number}) - checkpoints.kept


def test_the_best_by_several_objectives_keeps_its_checkpoint_before_those_with_more_of_the_first() -> None:
    records = [complete(0, 0.9, 9), complete(1, 0.8, 1), complete(2, 0.9, 9), complete(3, 0.9, 9)]
    assert Checkpoints(TWO, NUM_KEPT, records).kept == {1, 0, 2}
    assert Checkpoints(ONE, NUM_KEPT, records).kept == {0, 2, 3}


def test_of_trials_without_checkpoints_to_keep_none_is_kept() -> None:
    checkpoints = Checkpoints(ONE, 0, [complete(0, 0.5)])
    assert checkpoints.add(complete(1, 0.9)) == {1}
    assert not checkpoints.kept
