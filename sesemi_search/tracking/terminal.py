"""Progress in the terminal: a live table of the running trials, or plain lines where output is not a terminal."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from sesemi_search.columns import Column, fit_columns, make_table, param_column
from sesemi_search.console import progress_line
from sesemi_search.formatting import escape_controls, format_metric, format_params, format_seconds, shorten
from sesemi_search.tracking.pace import Pace
from sesemi_search.tracking.tracker import RunStart

__all__ = ["TerminalEpochs", "TerminalProgress"]

# Rendering takes some milliseconds: at this rate, some thousandths of a core.
_REFRESHES_PER_SECOND = 4
_INTERRUPTED = "interrupted"  # a trial that goes on later
_NUM_OTHER_LINES = 7  # of the live view: the header's and those below the trials


@dataclass
class _Running:
    run: RunStart
    epoch: int = 0
    value: float | None = None


@dataclass(frozen=True)
class _Best:
    value: float
    number: int
    params: Mapping[str, Any]


class TerminalProgress:
    """Shows a search: a live table on a terminal, else a line for every trial that ends; of one that fails, always.

    Args:
        console: Where to print.
        metric: Name of the objective among the metrics.
        mode: `max` or `min`.
        num_trials: Trials the search will have.
        ended: Trials of earlier sittings that `num_trials` counts, by outcome.
        best: Value and number of the best complete one of them.
        num_slots: Trials at once; None where nobody knows.
        budget_left: Returns the wall seconds until a budget is spent, None where there is none, from the seconds that
            trials train in a wall second.
    """

    def __init__(
        self,
        console: Console,
        metric: str,
        mode: str,
        num_trials: int,
        ended: Mapping[str, int] | None = None,
        best: tuple[float, int] | None = None,
        num_slots: int | None = None,
        budget_left: Callable[[float], float | None] | None = None,
    ) -> None:
        self._console = console
        self._metric = metric
        self._sign = 1.0 if mode == "max" else -1.0
        self._num_trials = num_trials
        self._num_slots = num_slots
        self._budget_left = budget_left
        self._pace = Pace()
        self._running: dict[int, _Running] = {}
        self._has_reported = False
        self._outcomes: Counter[str] = Counter(ended or {})
        self._best = None if best is None else _Best(*best, {})
        self._lock = threading.Lock()  # the live table is drawn on a thread of its own
        self._live: Live | None = None
        self._closed = False

    def start(self, run: RunStart) -> None:
        """A row appears."""
        with self._lock:
            self._running[run.number] = running = _Running(run)
            if run.history:
                running.epoch = max(run.history)
                running.value = run.history[running.epoch].get(self._metric)
        if self._live is None and self._console.is_terminal and not self._closed:
            self._live = Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=_REFRESHES_PER_SECOND,
                transient=True,
            )
            self._live.start()

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """A row changes."""
        with self._lock:
            running = self._running[number]
            running.epoch = epoch
            running.value = metrics.get(self._metric)
            self._has_reported = True
            self._pace.epoch_ended(metrics.get("epoch_seconds", 0.0))

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        """A row goes; without a terminal, a line is printed, on one for a trial that failed alone."""
        with self._lock:
            running = self._running.pop(number)
            if outcome != _INTERRUPTED:
                self._outcomes[outcome] += 1
                self._pace.trial_ended(running.epoch)
            # Only a whole run can be the best one: early values of stopped trials do not compare.
            if outcome == "complete" and running.value is not None:
                value = running.value
                if self._best is None or self._sign * value > self._sign * self._best.value:
                    self._best = _Best(value, number, running.run.params)
        error = summary.get("error", "")
        if error or not self._console.is_terminal:
            line = self._line(running, outcome) + (f"  {shorten(error)}" if error else "")
            self._console.print(line, soft_wrap=True, markup=False, highlight=False)

    def close(self) -> None:
        """The live table goes; what it showed is in the report."""
        self._closed = True
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _line(self, running: _Running, outcome: str) -> str:
        run = running.run
        best = "-" if self._best is None else format_metric(self._best.value)
        return (
            f"trial {run.number:>4}  {outcome.replace('_', ' '):<13}  epoch {running.epoch:>3}/{run.num_epochs}  "
            f"{self._metric} {format_metric(running.value)}  best {best}  {format_params(run.params)}"
        )

    def _render(self) -> RenderableType:
        """Draws the running trials, and below them how the search stands."""
        with self._lock:
            rows = [_Running(row.run, row.epoch, row.value) for row in self._running.values()]
            lines = [self._trials_line(), self._best_line(), self._time_line(rows)]
        num_shown = max(1, self._console.height - _NUM_OTHER_LINES)
        more = [Text(f"and {len(rows) - num_shown} more", style="dim")] * (len(rows) > num_shown)
        return Group(_table(rows[:num_shown], self._metric, self._console.width), *more, *lines)

    def _trials_line(self) -> RenderableType:
        ended = self._outcomes.total()
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self._outcomes.items())
        text = f"{ended}/{self._num_trials} trials" + (f" ({counts})" if counts else "")
        return progress_line(Text(text, style="bold"), min(1.0, ended / self._num_trials))

    def _best_line(self) -> RenderableType:
        if self._best is None:
            return _one_line(f"best {self._metric}: no trial has run all its epochs")
        best = f"best {self._metric} {format_metric(self._best.value)} (trial {self._best.number})"
        return _one_line(f"{best}  {format_params(self._best.params)}".rstrip())

    def _time_line(self, rows: Sequence[_Running]) -> RenderableType:
        if not self._has_reported:
            workers = f"starting {len(rows)} worker{'s' * (len(rows) != 1)}"
            return progress_line(f"{workers}, {format_seconds(round(self._pace.seconds))}", None)
        slots = "" if self._num_slots is None else f", {len(rows)} of {self._num_slots} slots in use"
        return _one_line(f"{format_seconds(round(self._pace.seconds))}{self._time_left(rows)}{slots}")

    def _time_left(self, rows: Sequence[_Running]) -> str:
        num_waiting = max(0, self._num_trials - self._outcomes.total() - len(rows))
        left = self._pace.seconds_left(((row.epoch, row.run.num_epochs) for row in rows), num_waiting)
        budget = None if self._budget_left is None else self._budget_left(self._pace.training_rate)
        if budget is not None and (left is None or budget < left):
            return f", {format_seconds(round(budget))} left of the budget"
        return "" if left is None else f", about {format_seconds(round(left))} left"


def _one_line(text: str) -> Text:
    return Text(escape_controls(text), no_wrap=True, overflow="ellipsis")


def _table(rows: Sequence[_Running], metric: str, width: int) -> RenderableType:
    facts = [
        Column(Text("trial"), (str(row.run.number) for row in rows)),
        Column(Text("epoch"), (f"{row.epoch}/{row.run.num_epochs}" for row in rows)),
        Column(Text(escape_controls(metric)), (format_metric(row.value) for row in rows)),
    ]
    params = [row.run.params for row in rows]
    return make_table(fit_columns([*facts, *(param_column(name, params) for name in _by_difference(params))], width))


def _by_difference(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the parameters, those in which the rows differ most before others."""
    names = dict.fromkeys(name for row in rows for name in row)
    return sorted(names, key=lambda name: -_difference([row.get(name) for row in rows]))


def _difference(values: Sequence[Any]) -> float:
    """Returns how much values differ, 0 to 1: numbers by their spread, all else by how many there are."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        return (len(set(map(repr, values))) - 1) / max(1, len(values) - 1)
    low, high = min(numbers), max(numbers)
    return (high - low) / (abs(high) + abs(low)) if high > low else 0.0


# Header, metric, width and format of each column of a final run's lines; before the last, what is measured besides.
_EPOCH_COLUMNS = [
    ("lr", "lr", "9.2e"),
    ("train/loss", "train/loss", "10.4f"),
    ("train/top1", "train/top1", "10.4f"),
    ("val/loss", "val/loss", "8.4f"),
    ("val/top1", "val/top1", "8.4f"),
    ("seconds", "epoch_seconds", "7.1f"),
]


class TerminalEpochs:
    """Shows a final run: one line an epoch, on a terminal or not.

    Args:
        console: Where to print.
        metrics: Further metrics of the validation split, by name.
    """

    def __init__(self, console: Console, metrics: Sequence[str] = ()) -> None:
        self._console = console
        self._num_epochs = 0
        further = ((f"val/{name}", f"val/{name}", f"{len(name) + 4}.4f") for name in metrics)
        self._columns = [*_EPOCH_COLUMNS[:-1], *further, _EPOCH_COLUMNS[-1]]

    def start(self, run: RunStart) -> None:
        """Prints the header."""
        self._num_epochs = run.num_epochs
        widths = (f"{name:>{int(spec.partition('.')[0])}}" for name, _, spec in self._columns)
        self._print("  ".join(["  epoch", *widths]))

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:  # noqa: ARG002
        """Prints the line of an epoch."""
        cells = [f"{f'{epoch}/{self._num_epochs}':>7}"]
        for _, metric, spec in self._columns:
            width = int(spec.partition(".")[0])
            cells.append(f"{metrics[metric]:{spec}}" if metric in metrics else f"{'-':>{width}}")
        self._print("  ".join(cells))

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Prints how it ended, unless it is complete: the test score says that."""
        if outcome != "complete":
            self._print(f"the run ended: {outcome.replace('_', ' ')}")

    def close(self) -> None:
        """Nothing is left to print."""

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)
