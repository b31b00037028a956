"""`sesemi-search trials DIR`: the trials of a search as a table, as CSV or as JSON."""

import csv
import io
import json
from collections.abc import Sequence

from sesemi_search.console import make_console, print_text
from sesemi_search.errors import ConfigError, suggest
from sesemi_search.formatting import quote_path
from sesemi_search.report.summary import Summary, summarize
from sesemi_search.report.table import print_trials, render_outcomes, varied_params
from sesemi_search.report.trial_rows import OUTCOMES, TrialRow, column_names, flatten_row, rank_rows, sort_rows
from sesemi_search.search.directory import only_directory
from sesemi_search.search.stored_search import read_search

__all__ = ["trials_command"]

_NUM_SHOWN = 20


def trials_command(
    arguments: Sequence[str], sort: str | None, state: str | None, as_json: bool, as_csv: bool, show_all: bool
) -> int:
    """Prints the trials of a search, best first; returns the exit code.

    Args:
        arguments: The search directory.
        sort: A column to sort by, smallest first; with a `-` before it, largest first.
        state: Outcomes to show, with commas between them.
        as_json: Prints all as JSON.
        as_csv: Prints all as CSV.
        show_all: Shows all in the table, not the first twenty.
    """
    if as_json and as_csv:
        raise ConfigError("--json", "got --csv as well; one of them.")
    summary = summarize(read_search(only_directory("trials", arguments)))
    rows = _select(summary.rows, state)
    rows = rank_rows(rows, summary.objectives.first.mode) if sort is None else sort_rows(rows, _check_sort(rows, sort))
    if as_json:
        print_text(json.dumps({**summary.to_json(), "trials": [row.to_json() for row in rows]}, indent=1, default=str))
    elif as_csv:
        print_text(_write_csv(rows))
    else:
        _print_table(summary, rows if show_all else rows[:_NUM_SHOWN], len(rows), (sort or "").lstrip("-"))
    return 0


def _select(rows: Sequence[TrialRow], state: str | None) -> list[TrialRow]:
    states = OUTCOMES if state is None else [name.strip().replace(" ", "_") for name in state.split(",")]
    for name in states:
        if name not in OUTCOMES:
            known = ", ".join(OUTCOMES)
            raise ConfigError("--state", f"got {name!r}; there are: {known}.{suggest(name, OUTCOMES)}")
    return [row for row in rows if row.outcome in states]


def _check_sort(rows: Sequence[TrialRow], sort: str) -> str:
    names = column_names(rows)
    if rows and sort.removeprefix("-") not in names:
        known = ", ".join(names)
        raise ConfigError("--sort", f"got {sort!r}; there are: {known}.{suggest(sort.removeprefix('-'), names)}")
    return sort


def _write_csv(rows: Sequence[TrialRow]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, column_names(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(flatten_row, rows))
    return text.getvalue().rstrip("\n")


def _print_table(summary: Summary, rows: Sequence[TrialRow], num_rows: int, first: str) -> None:
    console, directory = make_console(), quote_path(summary.directory)
    params = varied_params(summary.rows, [first])
    rest = f"sesemi-search trials {directory} --csv"
    print_trials(rows, summary.objectives.first.name, params, rest, console)
    console.print()
    console.print(render_outcomes(row.outcome for row in summary.rows))
    if num_rows > len(rows):
        console.print(f"{len(rows)} of {num_rows} shown; all of them: --all", soft_wrap=True)
