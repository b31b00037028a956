"""Trials as a table in the terminal: a line a trial at any width, and how many ended in which way."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from sesemi_search.columns import Column, break_header, fit_columns, make_table, param_column
from sesemi_search.formatting import escape_controls, format_metric, format_seconds
from sesemi_search.report.trial_rows import OUTCOMES, TrialRow

__all__ = ["print_trials", "render_outcomes", "varied_params"]


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
    facts, by_param = list(_facts(rows, metric)), [param_column(name, [row.params for row in rows]) for name in params]
    # Where there is little room the outcome, the last of the facts, goes first: it tells what the value is worth.
    shown = fit_columns([*facts[:2], facts[-1], *facts[2:-1], *by_param], console.width)
    console.print(make_table([column for column in [*facts, *by_param] if column in shown]))
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


def _facts(rows: Sequence[TrialRow], metric: str) -> Iterator[Column]:
    yield Column(Text("trial"), (str(row.number) for row in rows))
    yield Column(Text(escape_controls(metric)), (format_metric(row.value) for row in rows))
    for name in rows[0].others if rows else ():
        yield Column(break_header(name), (format_metric(row.others[name]) for row in rows))
    yield Column(Text("epochs"), (str(row.epochs) for row in rows))
    yield Column(Text("time"), (format_seconds(row.seconds) for row in rows))
    yield Column(Text("outcome"), (row.outcome.replace("_", " ") for row in rows), "left")
