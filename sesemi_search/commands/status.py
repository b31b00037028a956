"""`sesemi-search status DIR`: how a search stands, from any shell, while it runs or after."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from sesemi_search.console import make_console, print_text
from sesemi_search.final.result import read_final
from sesemi_search.formatting import format_metrics, format_params, format_path, format_seconds, quote_path
from sesemi_search.report.advice import advise
from sesemi_search.report.failures import describe_failures
from sesemi_search.report.search_end import compare_with_baseline, describe_advice
from sesemi_search.report.summary import State, Summary, summarize
from sesemi_search.report.table import print_trials, render_outcomes, varied_params
from sesemi_search.search.directory import count_finals, final_dir, only_directory
from sesemi_search.search.stored_search import read_search

__all__ = ["status_command"]


def status_command(arguments: Sequence[str], as_json: bool) -> int:
    """Prints the state of a search, its best trial and those that run; returns the exit code."""
    stored = read_search(only_directory("status", arguments))
    summary = summarize(stored)
    is_over = summary.state is State.finished
    advice = advise(stored.all_records, stored.space, stored.objectives) if is_over else []
    if as_json:
        more = {"running": [row.to_json() for row in summary.running], "advice": [each.text for each in advice]}
        print_text(json.dumps({**summary.to_json(), **more}, indent=1, default=str))
        return 0
    console = make_console()
    for line in (
        *_describe(summary),
        *_describe_final(summary.directory),
        *describe_advice(advice, summary.directory),
    ):
        console.print(line, soft_wrap=True)
    if summary.running:
        console.print()
        rest = f"sesemi-search trials {quote_path(summary.directory)} --state running --json"
        metric = summary.objectives.first.name
        print_trials(summary.running, metric, varied_params(summary.rows), rest, console)
    return 0


def _describe(summary: Summary) -> Iterator[str]:
    by = f", by {summary.holder}" if summary.holder else ""
    yield f"{summary.name}: {summary.state}{by}"
    yield f"{render_outcomes(row.outcome for row in summary.rows)}; {summary.num_trials} were asked for"
    yield _describe_best(summary)
    began = "no trial has begun" if summary.began is None else f"began {summary.began:%Y-%m-%d %H:%M}"
    took = f"; {format_seconds(summary.seconds)} so far" if summary.seconds else ""
    left = "" if summary.seconds_left is None else f", about {format_seconds(summary.seconds_left)} to go"
    yield f"{began}{took}{left}"
    if summary.state is State.running:
        most = "" if summary.max_concurrent is None else f" of {summary.max_concurrent}"
        yield f"slots in use: {len(summary.running)}{most}"
    yield from describe_failures(summary.rows, summary.directory)
    yield f"search directory: {format_path(summary.directory)}"
    if summary.state is State.stopped:
        yield f"go on with it:  sesemi-search resume {quote_path(summary.directory)}"


def _describe_final(directory: Path) -> Iterator[str]:
    """Yields what the final runs of a search came to, the first first, nothing where there is none."""
    for attempt in range(1, count_finals(directory) + 1):
        run = read_final(final_dir(directory, attempt))
        if run is None:
            yield f"final run: not over; go on with it: sesemi-search final {quote_path(directory)}"
        else:
            yield f"final run: {run.winner}, {run.describe_test()}: {quote_path(run.directory)}"


def _describe_best(summary: Summary) -> str:
    best = summary.best
    if best is None:
        return "best: no trial has run all its epochs"
    values = format_metrics({summary.objectives.first.name: best.value, **best.others})
    gain = compare_with_baseline(best, summary.rows)
    return f"best: trial {best.number}, {values}{gain}\n      {format_params(best.params)}"
