"""`sesemi-search compare DIR DIR ...`: searches side by side, and how the best configs of them differ."""

import json
from collections.abc import Iterator, Sequence

from sesemi_search.console import print_text
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import align_columns, format_metric, format_path, format_seconds, format_value
from sesemi_search.report.summary import Summary, summarize
from sesemi_search.report.table import render_outcomes
from sesemi_search.search.directory import given_directory
from sesemi_search.search.stored_search import read_search

__all__ = ["compare_command"]


def compare_command(arguments: Sequence[str], as_json: bool) -> int:
    """Prints searches side by side; returns the exit code."""
    if len(arguments) < 2:
        raise ConfigError("compare", f"got {len(arguments)} search directories; it takes two or more, DIR DIR.")
    summaries = [summarize(read_search(given_directory("compare", [each]))) for each in arguments]
    if as_json:
        print_text(json.dumps([summary.to_json() for summary in summaries], indent=1, default=str))
        return 0
    for line in align_columns([*_facts(summaries), *_params(summaries)]):
        print_text(line)
    metrics = {summary.objectives.each for summary in summaries}
    if len(metrics) > 1:
        print_text("they optimize different metrics: their values do not compare")
    return 0


def _facts(summaries: Sequence[Summary]) -> Iterator[tuple[str, ...]]:
    """Yields a row for each fact: its name, and what it is in each search."""
    yield "", *(str(format_path(each.directory)) for each in summaries)
    yield "space", *(each.name for each in summaries)
    yield "state", *(each.state.value for each in summaries)
    yield "trials", *(render_outcomes(row.outcome for row in each.rows) for each in summaries)
    yield "epochs trained", *(str(sum(row.epochs for row in each.rows)) for each in summaries)
    yield "search time", *(format_seconds(each.seconds) for each in summaries)
    yield "training time", *(format_seconds(sum(row.seconds for row in each.rows)) for each in summaries)
    baselines = [
        each.baseline.value if each.baseline and each.baseline.outcome == "complete" else None for each in summaries
    ]
    yield "own config", *map(format_metric, baselines)
    for name in dict.fromkeys(each.name for summary in summaries for each in summary.objectives.each):
        yield f"best {name}", *(format_metric(_best_value(each, name)) for each in summaries)
    yield "best trial", *("-" if each.best is None else str(each.best.number) for each in summaries)


def _best_value(summary: Summary, name: str) -> float | None:
    if summary.best is None:
        return None
    return {summary.objectives.first.name: summary.best.value, **summary.best.others}.get(name)


def _params(summaries: Sequence[Summary]) -> Iterator[tuple[str, ...]]:
    """Yields a row for each parameter of the best trials."""
    params = [{} if each.best is None else each.best.params for each in summaries]
    for name in dict.fromkeys(name for each in params for name in each):
        yield f"  {name}", *(format_value(each[name]) if name in each else "-" for each in params)
