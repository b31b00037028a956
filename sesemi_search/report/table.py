"""Trials as a table in the terminal: a line a trial at any width, and how many ended in which way."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sesemi_search.formatting import escape_controls, format_metric, format_seconds, format_value, shorten
from sesemi_search.report.trial_rows import OUTCOMES, TrialRow

__all__ = ["break_header", "print_trials", "render_outcomes", "varied_params"]

# A header is broken at an underscore or a dot so that a long name does not make a wide column of short values.
_HEADER_WIDTH = 9
_VALUE_WIDTH = 24  # of a parameter, whose value may be a mapping
_GAP = 2


def print_trials(rows: Sequence[TrialRow], metric: str, params: Sequence[str], rest: str, console: Console) -> None:
    """Prints trials in the order given, each on one line.

    Where the terminal is too narrow for all columns, those that do not fit are left out, and a line below says so.

    Args:
        rows: The trials.
        metric: Name of the metric that `value` is of.
        params: Parameters by short name, those to be shown first first.
        rest: Where all of them are to be seen.
        console: Where to print.
    """
    facts, by_param = list(_facts(rows, metric)), [_param(rows, name) for name in params]
    room, shown = console.width + _GAP, []  # there is no gap behind the last column
    # Where there is little room the outcome, the last of the facts, goes first: it tells what the value is worth.
    for column in (*facts[:2], facts[-1], *facts[2:-1], *by_param):
        if column.width <= room:
            shown.append(column)
            room -= column.width
    console.print(_table([column for column in [*facts, *by_param] if column in shown]))
    num_shown = sum(column in shown for column in by_param)
    if num_shown < len(params):
        # In one line, however long: a command that is broken into two cannot be copied.
        console.print(f"{num_shown} of {len(params)} parameters fit; all of them: {rest}", soft_wrap=True)


def render_outcomes(outcomes: Iterable[str]) -> str:
    """One line: `50 trials: 18 complete, 30 stopped, 2 diverged`."""
    counts = Counter(outcomes)
    names = [*OUTCOMES, *sorted(set(counts) - set(OUTCOMES))]
    parts = [f"{counts[name]} {name.replace('_', ' ')}" for name in names if counts[name]]
    trials = f"{counts.total()} trial{'' if counts.total() == 1 else 's'}"
    return f"{trials}: {', '.join(parts)}" if parts else trials


def varied_params(rows: Sequence[TrialRow], first: Iterable[str] = ()) -> list[str]:
    """Returns the parameters that are not the same in all trials (all of a single one), those of `first` first."""
    names = list(dict.fromkeys(name for row in rows for name in row.params))
    varied = [name for name in names if len({repr(row.params.get(name)) for row in rows}) > 1 or len(rows) == 1]
    return list(dict.fromkeys([*(name for name in first if name in varied), *varied]))


class _Column:
    """A column of a table: a header on some lines, a cell a trial; its width with the gap behind it."""

    def __init__(self, header: Text, cells: Iterable[str], justify: Literal["left", "right"] = "right") -> None:
        self.header = header
        self.cells = list(cells)
        self.justify = justify
        self.width = max(map(cell_len, [*header.plain.split("\n"), *self.cells])) + _GAP


def _facts(rows: Sequence[TrialRow], metric: str) -> Iterator[_Column]:
    yield _Column(Text("trial"), (str(row.number) for row in rows))
    yield _Column(Text(escape_controls(metric)), (format_metric(row.value) for row in rows))
    for name in rows[0].others if rows else ():
        yield _Column(break_header(name), (format_metric(row.others[name]) for row in rows))
    yield _Column(Text("epochs"), (str(row.epochs) for row in rows))
    yield _Column(Text("time"), (format_seconds(row.seconds) for row in rows))
    yield _Column(Text("outcome"), (row.outcome.replace("_", " ") for row in rows), "left")


def _param(rows: Sequence[TrialRow], name: str) -> _Column:
    cells = (format_value(row.params[name]) if name in row.params else "-" for row in rows)
    return _Column(break_header(name), (shorten(cell.replace("\n", " "), _VALUE_WIDTH) for cell in cells))


def _table(columns: Sequence[_Column]) -> Table:
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.header, justify=column.justify, no_wrap=True)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells))
    return table


def break_header(name: str) -> Text:
    """A header on as few lines as fit the width, broken after underscores and dots."""
    lines = [""]
    for part in escape_controls(name).replace("_", "_\n").replace(".", ".\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) > _HEADER_WIDTH:
            lines.append("")
        lines[-1] += part
    return Text("\n".join(lines))
