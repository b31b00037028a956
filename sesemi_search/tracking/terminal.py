"""Progress in the terminal: a live table of the running trials, or plain lines where output is not a terminal."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sesemi_search.formatting import format_metric, format_params, format_seconds, shorten
from sesemi_search.metrics import measured_names
from sesemi_search.tracking.tracker import RunStart

__all__ = ["TerminalEpochs", "TerminalProgress"]

# Rendering takes some milliseconds: at this rate, some thousandths of a core.
_REFRESHES_PER_SECOND = 4


@dataclass
class _Running:
    run: RunStart
    epoch: int = 0
    value: float | None = None


class TerminalProgress:
    """Shows a search: a live table on a terminal, else a line for every trial that ends; of one that fails, always.

    Args:
        console: Where to print.
        metric: Name of the objective among the metrics.
        mode: `max` or `min`.
        num_trials: Trials the search will have.
        ended: Trials of earlier sittings, by outcome.
        best: Value and number of the best complete one of them.
    """

    def __init__(
        self,
        console: Console,
        metric: str,
        mode: str,
        num_trials: int,
        ended: Mapping[str, int] | None = None,
        best: tuple[float, int] | None = None,
    ) -> None:
        self._console = console
        self._metric = metric
        self._sign = 1.0 if mode == "max" else -1.0
        self._num_trials = num_trials
        self._began = time.monotonic()
        self._running: dict[int, _Running] = {}
        self._has_reported = False
        self._outcomes: Counter[str] = Counter(ended or {})
        self._best = best
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

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        """A row goes; without a terminal, a line is printed, on one for a trial that failed alone."""
        with self._lock:
            running = self._running.pop(number)
            self._outcomes[outcome] += 1
            # Only a whole run can be the best one: early values of stopped trials do not compare.
            if outcome == "complete" and running.value is not None:
                value = running.value
                if self._best is None or self._sign * value > self._sign * self._best[0]:
                    self._best = (value, number)
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
        best = "-" if self._best is None else format_metric(self._best[0])
        return (
            f"trial {run.number:>4}  {outcome.replace('_', ' '):<13}  epoch {running.epoch:>3}/{run.num_epochs}  "
            f"{self._metric} {format_metric(running.value)}  best {best}  {format_params(run.params)}"
        )

    def _render(self) -> RenderableType:
        with self._lock:
            rows = [(row.run, row.epoch, row.value) for row in self._running.values()]
            outcomes = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in self._outcomes.items())
            ended, best = self._outcomes.total(), self._best
        table = Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        table.add_column("trial", justify="right", no_wrap=True)
        table.add_column("epoch", justify="right", no_wrap=True)
        table.add_column(Text(self._metric), justify="right", no_wrap=True)
        table.add_column("parameters", no_wrap=True, overflow="ellipsis", ratio=1)
        for run, epoch, value in rows:
            params = Text(format_params(run.params))
            table.add_row(str(run.number), f"{epoch}/{run.num_epochs}", format_metric(value), params)
        leader = "" if best is None else f"   best {self._metric} {format_metric(best[0])} (trial {best[1]})"
        elapsed = format_seconds(round(time.monotonic() - self._began))
        head = f"{ended}/{self._num_trials} trials" + (f" ({outcomes})" if outcomes else "")
        workers = f"   starting {len(rows)} worker{'s' * (len(rows) != 1)}" if not self._has_reported else ""
        return Group(table, Text(f"{head}{leader}   {elapsed}{workers}", style="bold"))


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
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._num_epochs = 0
        self._columns = _EPOCH_COLUMNS

    def start(self, run: RunStart) -> None:
        """Prints the header."""
        self._num_epochs = run.num_epochs
        names = [f"val/{name}" for name in measured_names(run.config["learner"]["metrics"])]
        self._columns = [*_EPOCH_COLUMNS[:-1], *((name, name, f"{len(name)}.4f") for name in names), _EPOCH_COLUMNS[-1]]
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
