"""The end of a search as a table: the best trials, and how many ended in which way."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sesemi_search.formatting import escape_controls, format_metric, format_params, format_seconds, format_value

__all__ = ["OUTCOMES", "TrialRow", "break_header", "render_outcomes", "render_trials"]

# In the order in which they are told.
OUTCOMES = (
    *("complete", "stopped", "diverged", "out_of_memory", "timed_out", "error", "lost"),
    *("infeasible", "duplicate", "interrupted"),
)
# A header is broken at an underscore or a dot so that a long name does not make a wide column of short values.
_HEADER_WIDTH = 9


@dataclass(frozen=True)
class TrialRow:
    """A trial as the report shows it.

    Attributes:
        number: Number of the trial.
        params: Sampled parameters by short name; those of options that were not chosen are absent.
        value: Last value of the first metric, or None if there is none.
        epochs: Epochs trained.
        outcome: How it ended, one of `OUTCOMES`.
        seconds: Time spent in training.
        others: Values of further metrics by name, the same for every row of a table.
    """

    number: int
    params: Mapping[str, Any]
    value: float | None
    epochs: int
    outcome: str
    seconds: float
    others: Mapping[str, float | None] = field(default_factory=dict)


def render_trials(rows: Sequence[TrialRow], metric: str, mode: str, limit: int = 10) -> RenderableType:
    """The best trials, best first.

    A trial that ran all its epochs comes before every one that did not, whatever their values: a stopped trial's early
    value is not one to compare with.

    Args:
        rows: All trials.
        metric: Name of the metric that `value` is of.
        mode: `max` or `min`.
        limit: Most trials shown.

    Returns:
        A renderable with a column for each parameter where the terminal is wide enough, else one for all of them.
    """
    return _TrialTable(sorted(rows, key=lambda row: _rank(row, mode))[:limit], metric)


def render_outcomes(rows: Sequence[TrialRow]) -> str:
    """One line: `50 trials: 18 complete, 30 stopped, 2 diverged`."""
    counts = Counter(row.outcome for row in rows)
    names = [*OUTCOMES, *sorted(set(counts) - set(OUTCOMES))]
    parts = [f"{counts[name]} {name.replace('_', ' ')}" for name in names if counts[name]]
    trials = f"{len(rows)} trial{'' if len(rows) == 1 else 's'}"
    return f"{trials}: {', '.join(parts)}" if parts else trials


def _rank(row: TrialRow, mode: str) -> tuple[bool, bool, float, int]:
    absent = row.value is None or math.isnan(row.value)
    value = 0.0 if row.value is None or absent else row.value
    return row.outcome != "complete", absent, -value if mode == "max" else value, row.number


class _TrialTable:
    """Chooses between the two layouts when the width is known."""

    def __init__(self, rows: Sequence[TrialRow], metric: str) -> None:
        self._rows = rows
        self._metric = metric

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = self._wide()
        unlimited = options.update(max_width=10_000, width=10_000)
        fits = Measurement.get(console, unlimited, wide).maximum <= options.max_width
        yield wide if fits else self._narrow()

    def _wide(self) -> Table:
        names = list(dict.fromkeys(name for row in self._rows for name in row.params))
        table = self._base()
        for name in names:
            table.add_column(break_header(name), justify="right", no_wrap=True)
        for row in self._rows:
            table.add_row(*_facts(row), *(Text(format_value(row.params[n])) if n in row.params else "-" for n in names))
        return table

    def _narrow(self) -> Table:
        table = self._base()
        table.add_column("parameters", ratio=1, overflow="fold")
        for row in self._rows:
            table.add_row(*_facts(row), Text(format_params(row.params)))
        return table

    def _others(self) -> list[str]:
        return list(self._rows[0].others) if self._rows else []

    def _base(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        table.add_column("trial", justify="right", no_wrap=True)
        table.add_column(Text(self._metric), justify="right", no_wrap=True)
        for name in self._others():
            table.add_column(break_header(name), justify="right", no_wrap=True)
        table.add_column("epochs", justify="right", no_wrap=True)
        table.add_column("time", justify="right", no_wrap=True)
        table.add_column("outcome", no_wrap=True)
        return table


def _facts(row: TrialRow) -> tuple[str, ...]:
    values = [format_metric(value) for value in (row.value, *row.others.values())]
    return str(row.number), *values, str(row.epochs), format_seconds(row.seconds), row.outcome.replace("_", " ")


def break_header(name: str) -> Text:
    """A header on as few lines as fit the width, broken after underscores and dots."""
    lines = [""]
    for part in escape_controls(name).replace("_", "_\n").replace(".", ".\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) > _HEADER_WIDTH:
            lines.append("")
        lines[-1] += part
    return Text("\n".join(lines))
