"""A trial as it is read: what the tables, the data frame, JSON and CSV all have of it, derived from its record."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sesemi_search.search.ledger.objectives import COSTS, Objectives
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord
from sesemi_search.search.stopping import error_line
from sesemi_search.space.space import Space

__all__ = [
    "OUTCOMES",
    "ORPHANED",
    "TrialRow",
    "column_names",
    "flatten_row",
    "make_rows",
    "rank_rows",
    "sort_rows",
]

# What a trial is that runs in the ledger and nowhere else: its driver died.
ORPHANED = "orphaned"
# In the order in which they are told.
OUTCOMES = (
    *("complete", "stopped", "diverged", "out_of_memory", "timed_out", "error", "lost"),
    *("infeasible", "duplicate", "interrupted", "running", ORPHANED),
)
_FIRST, _LAST = ("number", "outcome", "value"), ("epochs", "seconds")


@dataclass(frozen=True)
class TrialRow:
    """A trial as it is shown.

    Attributes:
        number: Number of the trial.
        params: Sampled parameters by short name; those of options that were not chosen are absent.
        value: Last value of the first metric; None where there is none, or none that is finite.
        epochs: Epochs trained.
        outcome: How it ended, one of `OUTCOMES`.
        seconds: Time spent in training.
        others: Values of further metrics by name, the same for every row of a search.
        num_params: Parameters of its model.
        flops: Floating-point operations of one forward pass of one image.
        origin: Where its parameters come from: `sampled`, `baseline` (the experiment's own config) or `enqueued`.
        error: Of one that failed, the error in a line.
    """

    number: int
    params: Mapping[str, Any]
    value: float | None
    epochs: int
    outcome: str
    seconds: float
    others: Mapping[str, float | None] = field(default_factory=dict)
    num_params: int | None = None
    flops: int | None = None
    origin: str = Origin.sampled.value
    error: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether it ended with an error."""
        return self.outcome != ORPHANED and Outcome(self.outcome).is_failure

    @property
    def is_ended(self) -> bool:
        """Whether it neither runs nor waits to go on."""
        return self.outcome not in (Outcome.running, Outcome.interrupted, ORPHANED)

    @property
    def is_counted(self) -> bool:
        """Whether `search.num_trials` counts it."""
        return self.outcome == ORPHANED or Outcome(self.outcome).is_counted

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON has it."""
        return dict(vars(self))


def make_rows(
    records: Iterable[TrialRecord], space: Space, objectives: Objectives, *, is_live: bool = True
) -> list[TrialRow]:
    """Returns the rows of a search's trials.

    Args:
        records: The trials.
        space: Names their parameters.
        objectives: What the search optimizes.
        is_live: Whether a driver is at work; where none is, what runs in the ledger is orphaned.
    """
    return [_make_row(record, space, objectives, is_live) for record in records]


def _make_row(record: TrialRecord, space: Space, objectives: Objectives, is_live: bool) -> TrialRow:
    others = list(objectives.by_name(record).items())[1:]
    is_orphaned = record.outcome is Outcome.running and not is_live
    return TrialRow(
        number=record.number,
        params={_column(name, space): value for name, value in record.params.items()},
        value=_finite(record.value),
        epochs=record.epochs,
        outcome=ORPHANED if is_orphaned else record.outcome.value,
        seconds=record.seconds,
        others={name: _finite(value) for name, value in others},
        num_params=_whole(record.num_params),
        flops=_whole(record.flops),
        origin=record.origin.value,
        error=error_line(str(record.message)) if record.outcome.is_failure else "",
    )


def _column(name: str, space: Space) -> str:
    """Returns the short name of a parameter, or its whole one where a fact has that name."""
    short = space.short_names.get(name, name)
    return name if short in (*_FIRST, *_LAST, *COSTS) else short


def rank_rows(rows: Iterable[TrialRow], mode: str) -> list[TrialRow]:
    """Returns rows best first.

    A trial that ran all its epochs comes before every one that did not, whatever their values: a stopped trial's early
    value is not one to compare with.

    Args:
        rows: The rows.
        mode: `max` or `min`.
    """

    def rank(row: TrialRow) -> tuple[bool, bool, float, int]:
        cost = 0.0 if row.value is None else -row.value if mode == "max" else row.value
        return row.outcome != Outcome.complete, row.value is None, cost, row.number

    return sorted(rows, key=rank)


def sort_rows(rows: Iterable[TrialRow], key: str) -> list[TrialRow]:
    """Returns rows by a column, smallest first, with a `-` before its name largest first; those without it last."""
    name = key.removeprefix("-")
    has, lacks = list[tuple[tuple[bool, Any], TrialRow]](), []
    for row in rows:
        value = flatten_row(row).get(name)
        if value is None:
            lacks.append(row)
        else:
            is_number = isinstance(value, int | float)
            has.append(((is_number, value if is_number else str(value)), row))
    has.sort(key=lambda each: each[0], reverse=key.startswith("-"))
    return [*(row for _, row in has), *lacks]


def column_names(rows: Sequence[TrialRow]) -> list[str]:
    """Returns the columns that a table of rows has: facts, then parameters, then what the model costs."""
    others = dict.fromkeys(name for row in rows for name in row.others if name not in COSTS)
    params = dict.fromkeys(name for row in rows for name in row.params)
    return [*_FIRST, *others, *_LAST, *params, *COSTS]


def flatten_row(row: TrialRow) -> dict[str, Any]:
    """Returns a row as one value a column; what a trial does not have is absent."""
    facts = {name: getattr(row, name) for name in (*_FIRST, *_LAST, *COSTS)}
    return {**row.params, **row.others, **facts}


def _finite(value: float | None) -> float | None:
    """Returns a number, None for NaN and infinity, which are no values to compare and are not JSON."""
    return value if value is not None and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    """Returns a whole number, None for what is none: a ledger may be of whoever's making."""
    return value if isinstance(value, int) else None
