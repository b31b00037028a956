"""What a search says when it ends: the best trials, how the others ended, what it took, what to type next."""

import shlex
from pathlib import Path

from rich.console import Console

from sesemi_search.config.schema import SearchConfig
from sesemi_search.report.baseline import compare_with_baseline, describe_copies
from sesemi_search.report.numbers import format_seconds
from sesemi_search.report.table import TrialRow, render_outcomes, render_trials
from sesemi_search.search.driver import SearchResult
from sesemi_search.search.records import Outcome
from sesemi_search.space.space import Space

__all__ = ["print_search_end"]


def print_search_end(result: SearchResult, space: Space, search: SearchConfig, console: Console) -> None:
    """Prints the end of a search."""
    rows = [
        TrialRow(r.number, space.shorten(r.params), r.value, r.epochs, r.outcome.value, r.seconds)
        for r in result.records
    ]
    console.print()
    console.print(render_trials(rows, search.metric, search.mode.value))
    console.print()
    console.print(render_outcomes(rows))
    if result.copied:
        console.print(describe_copies(result.copied), soft_wrap=True, markup=False)
    share = result.training_seconds / (result.slots * result.seconds) if result.seconds else 0.0
    console.print(
        f"the search took {format_seconds(result.seconds)}; {share:.0%} of the time of its {result.slots} "
        f"slot{'s' * (result.slots != 1)} was training"
    )
    _print_next(result, search, console)


def _print_next(result: SearchResult, search: SearchConfig, console: Console) -> None:
    if result.stop is not None:
        console.print(f"stopped: {result.stop.text}", markup=False, soft_wrap=True)
    directory = shlex.quote(str(_shown(result.directory)))
    if result.best is not None:
        gain = compare_with_baseline(result.best, result.records)
        console.print(
            f"best: trial {result.best.number}, {search.metric} {result.best.value:.4f}{gain}",
            soft_wrap=True,
            markup=False,
        )
    else:
        console.print("no trial ran all its epochs")
    console.print(f"search directory: {directory}", soft_wrap=True, markup=False)
    if any(record.outcome is Outcome.interrupted for record in result.records) or result.stop is not None:
        console.print(f"go on with it:  sesemi-search resume {directory}", soft_wrap=True, markup=False)
    if result.best is not None:
        command = f"sesemi-search train --config-dir {directory} --config-name best"
        console.print(f"train the best: {command}", soft_wrap=True, markup=False)


def _shown(directory: Path) -> Path:
    """A path as one would type it: relative where that is shorter."""
    here = Path.cwd()
    return directory.relative_to(here) if directory.is_relative_to(here) else directory
