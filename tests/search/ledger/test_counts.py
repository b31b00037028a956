from pathlib import Path
from typing import Any

import pytest

from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

FINITE = {"width": {"int": [1, 4]}}
PARTS: dict[str, Any] = {
    "sampler": {"_target_": "optuna.samplers.BruteForceSampler"},
    "pruner": {"_target_": "optuna.pruners.NopPruner"},
    "seed": 0,
    "objectives": Objectives((Objective("val/top1", True),)),
}
PASSED_OVER = (Outcome.infeasible, Outcome.duplicate)


def counts(ledger: Ledger) -> tuple[int, int, int, bool]:
    return len(ledger), ledger.num_counted, ledger.num_useless, ledger.is_exhausted


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Outcome.complete, Outcome.infeasible], (2, 1, 1, False)),
        ([Outcome.infeasible, Outcome.duplicate, Outcome.interrupted], (3, 1, 0, False)),
        ([Outcome.error, Outcome.complete, *PASSED_OVER], (4, 2, 2, True)),
        ([*PASSED_OVER, *PASSED_OVER], (4, 0, 4, True)),
    ],
)
def test_a_ledger_counts_the_same_when_it_is_opened_again(
    outcomes: list[Outcome], expected: tuple[int, int, int, bool], tmp_path: Path
) -> None:
    space = Space(parse_space(FINITE))
    ledger = Ledger.create(tmp_path, "study", space, **PARTS)
    for number in [ledger.ask().number for _ in outcomes]:
        ledger.report(number, 1, 0.5, {"val/top1": 0.5})
        ledger.tell(number, outcomes[number])
    assert counts(ledger) == expected
    assert counts(Ledger.open(tmp_path, "study", space, **PARTS)) == expected


def test_a_trial_that_a_dying_driver_left_open_is_no_config_tried(tmp_path: Path) -> None:
    space = Space(parse_space(FINITE | {"depth": {"int": [1, 1]}}))
    ledger = Ledger.create(tmp_path, "study", space, **PARTS)
    for _ in range(3):
        ledger.tell(ledger.ask().number, Outcome.error)
    ledger._study.ask()  # and no parameter yet
    again = Ledger.open(tmp_path, "study", space, **PARTS)
    assert counts(again) == (4, 4, 0, False)
    again.adopt(3)
    assert counts(again) == (4, 4, 0, True)
