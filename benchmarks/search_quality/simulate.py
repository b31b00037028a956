"""A search in virtual time: slots that train trials whose curves are known beforehand.

Nothing is trained. A trial's epoch ends as many virtual seconds after the one before as it took when its curve was
recorded, so that fast trials report more often, as in a real search; what a searcher thinks costs nothing.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

__all__ = ["Curve", "Searcher", "Selection", "Table", "simulate"]


class Curve(NamedTuple):
    """A config that was trained to its end.

    Attributes:
        val: The objective after each epoch, more of which is better; NaN from where it diverged.
        test: Test accuracy after each epoch; empty where nobody measured it.
        epoch_s: Seconds that an epoch takes.
    """

    val: Sequence[float]
    test: Sequence[float]
    epoch_s: float


class Table(Protocol):
    """Configs whose curves are known.

    Attributes:
        name: Names it in the results.
        space: What a searcher may sample: the plain tree of a space in the language of `sesemi-search`.
        num_epochs: Epochs of a full training.
    """

    name: str
    space: Mapping[str, Any]
    num_epochs: int

    def begin(self) -> None:
        """A search begins."""

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """Returns the curve of a config; `params` has the names and values that a sample of the space has."""


class Searcher(Protocol):
    """Who decides. Each call returns at once."""

    def ask(self) -> tuple[int, Mapping[str, Any]] | None:
        """Returns a trial's key and its parameters; None where a slot is to wait for the next report.

        A key that was returned before is that trial again: it goes on where it stands.
        """

    def report(self, key: int, epoch: int, value: float) -> bool:
        """Takes a trial's value after an epoch, the last included; returns whether the trial goes on."""


class Selection(NamedTuple):
    """The best trial that has run in full when a budget is spent.

    Attributes:
        params: Its parameters; empty where none is complete.
        val: Its objective after the last epoch, NaN where there is none.
        test: Its test accuracy after the last epoch, NaN where nobody measured it.
        num_trials: Trials that were begun.
        num_complete: Trials that ran in full.
    """

    params: Mapping[str, Any]
    val: float
    test: float
    num_trials: int
    num_complete: int


@dataclass
class _Trial:
    params: Mapping[str, Any]
    curve: Curve
    epochs: int = 0


def simulate(table: Table, searcher: Searcher, num_slots: int, budgets: Sequence[float]) -> list[Selection]:
    """Runs a search until the largest budget is spent.

    Args:
        table: What is searched.
        searcher: Who searches.
        num_slots: Trials at once.
        budgets: Epochs to spend, counted over all slots in full trainings; increasing.

    Returns:
        What a user would take when each budget is spent.
    """
    table.begin()
    trials: dict[int, _Trial] = {}
    due: list[tuple[float, int, int]] = []  # when the next epoch of a trial ends
    best = Selection({}, math.nan, math.nan, 0, 0)
    selections: list[Selection] = []
    spent, order, num_complete = 0, 0, 0

    def fill(now: float) -> None:
        nonlocal order
        while len(due) < num_slots and (assignment := searcher.ask()) is not None:
            key, params = assignment
            if key not in trials:
                trials[key] = _Trial(params, table.curve(params))
            order += 1
            heapq.heappush(due, (now + trials[key].curve.epoch_s, order, key))

    fill(0.0)
    while len(selections) < len(budgets):
        if not due:
            raise RuntimeError(f"the searcher left all slots idle after {spent} epochs")
        now, _, key = heapq.heappop(due)
        trial = trials[key]
        trial.epochs += 1
        spent += 1
        value = trial.curve.val[trial.epochs - 1]
        goes_on = searcher.report(key, trial.epochs, value)
        if trial.epochs == table.num_epochs:
            num_complete += 1
            if not math.isnan(value) and not value <= best.val:
                test = trial.curve.test[-1] if trial.curve.test else math.nan
                best = Selection(trial.params, value, test, 0, 0)
        elif goes_on:
            order += 1
            heapq.heappush(due, (now + trial.curve.epoch_s, order, key))
        while len(selections) < len(budgets) and spent >= round(budgets[len(selections)] * table.num_epochs):
            selections.append(best._replace(num_trials=len(trials), num_complete=num_complete))
        fill(now)
    return selections
