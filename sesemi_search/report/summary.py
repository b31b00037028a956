"""A search in a few facts: its state, how its trials ended, its best one, and how long it will take."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sesemi_search.config.experiment import to_typed
from sesemi_search.config.schema import SearchConfig
from sesemi_search.report.trial_rows import TrialRow, make_rows
from sesemi_search.search.ledger.conversion import WALL_SECONDS
from sesemi_search.search.ledger.counts import TrialCounts
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord
from sesemi_search.search.stopping import parse_duration
from sesemi_search.search.stored_search import StoredSearch, sealed_environment

__all__ = ["State", "Summary", "summarize"]

_NUM_EPOCHS = "run.num_epochs"


class State(StrEnum):
    """Whether a search is at work.

    `finished` has tried all that it was asked for; `stopped` has not, and nobody is at work on it: it was stopped, or
    its driver died. Either goes on with `resume`.
    """

    running = "running"
    finished = "finished"
    stopped = "stopped"


@dataclass(frozen=True)
class Summary:
    """A search in a few facts.

    Attributes:
        directory: The search directory.
        name: Name of its space.
        state: Whether it is at work.
        holder: Who is, `process 7 on HOST`; "" while nobody is.
        began: When its first trial began, in local time; None before that.
        seconds: Wall seconds of all sittings, up to the last trial that ended.
        seconds_left: Wall seconds that it will take from then, as far as can be told; None where it does not run.
        num_trials: Trials that it was asked for.
        max_concurrent: Trials at once that its config allows; None where that is for the machines to say.
        objectives: What it optimizes.
        rows: Every trial.
        best: The best of them.
        baseline: The experiment's own config among them.
    """

    directory: Path
    name: str
    state: State
    holder: str
    began: datetime | None
    seconds: float
    seconds_left: float | None
    num_trials: int
    max_concurrent: int | None
    objectives: Objectives
    rows: Sequence[TrialRow]
    best: TrialRow | None
    baseline: TrialRow | None

    @property
    def outcomes(self) -> Counter[str]:
        """How many trials ended in which way."""
        return Counter(row.outcome for row in self.rows)

    @property
    def running(self) -> list[TrialRow]:
        """The trials that run now."""
        return [row for row in self.rows if row.outcome == Outcome.running]

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON has it, without its trials but for the best and the experiment's own config."""
        return {
            "directory": str(self.directory),
            "name": self.name,
            "state": self.state.value,
            "holder": self.holder,
            "began": None if self.began is None else self.began.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "seconds_left": self.seconds_left,
            "num_trials": self.num_trials,
            "metrics": {objective.name: objective.mode for objective in self.objectives.each},
            "outcomes": dict(self.outcomes),
            "slots_in_use": len(self.running),
            "max_concurrent": self.max_concurrent,
            "best": None if self.best is None else self.best.to_json(),
            "baseline": None if self.baseline is None else self.baseline.to_json(),
        }


def summarize(stored: StoredSearch) -> Summary:
    """Returns the facts of a search as its directory tells it."""
    with sealed_environment():
        options: SearchConfig = to_typed(stored.config.search)
    holder, records = stored.holder, stored.records
    rows = make_rows(records, stored.space, stored.objectives, is_live=bool(holder))
    by_number = {row.number: row for row in rows}
    best = stored.objectives.best(records)
    seconds = float(stored.attributes.get(WALL_SECONDS, 0.0))
    return Summary(
        directory=stored.directory,
        name=options.name,
        state=State.running if holder else State.finished if _is_finished(stored, options) else State.stopped,
        holder=holder,
        began=min((record.began for record in records if record.began), default=None),
        seconds=seconds,
        seconds_left=_estimate(stored, options, seconds) if holder else None,
        num_trials=options.num_trials,
        max_concurrent=options.max_concurrent,
        objectives=stored.objectives,
        rows=rows,
        best=None if best is None else by_number[best.number],
        baseline=next((by_number[r.number] for r in records if r.origin is Origin.baseline), None),
    )


def _is_finished(stored: StoredSearch, options: SearchConfig) -> bool:
    counts = TrialCounts(stored.space, stored.trials)
    asked = counts.num_counted >= options.num_trials or counts.is_exhausted
    return asked and all(record.is_ended for record in stored.records)


def _estimate(stored: StoredSearch, options: SearchConfig, seconds: float) -> float | None:
    """Returns how long a search goes on: each trial takes as long as those before took, until a budget is spent."""
    counted = [record for record in stored.records if record.is_counted]
    num_ended = sum(record.is_ended for record in counted)
    if not num_ended or not seconds:
        return None
    done = sum(_share_done(stored, record) for record in counted)
    left = seconds * max(0.0, options.num_trials - done) / num_ended
    if options.time_budget is not None:
        left = min(left, parse_duration(options.time_budget, "search.time_budget") - seconds)
    return max(0.0, left)


def _share_done(stored: StoredSearch, record: TrialRecord) -> float:
    planned = record.params.get(_NUM_EPOCHS, stored.experiment["run"]["num_epochs"])
    if record.is_ended or not isinstance(planned, int) or planned < 1:  # it may refer to another key
        return float(record.is_ended)
    return record.epochs / planned
