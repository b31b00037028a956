"""What a search says when it ends: the best trials, how the others ended, what it took, what to type next."""

import shlex
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from sesemi_search.formatting import format_metric, format_metrics, format_path, format_seconds, shorten
from sesemi_search.report.importance import measure_importances
from sesemi_search.report.table import render_outcomes, render_trials, varied_params
from sesemi_search.report.trial_rows import make_rows, rank_rows
from sesemi_search.search.directory import error_file
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord
from sesemi_search.search.result import SearchResult
from sesemi_search.search.stopping import StopKind, error_line
from sesemi_search.space.space import Space

__all__ = ["compare_with_baseline", "describe_copies", "print_search_end"]

_NUM_SHOWN = 10
_NUM_ERRORS = 3  # different ones that are shown


def print_search_end(result: SearchResult, space: Space, objectives: Objectives, console: Console) -> None:
    """Prints the end of a search: its best trials; of several objectives, the Pareto front."""
    rows = make_rows(result.records, space, objectives)
    front = [record.number for record in objectives.front(result.records)] if objectives.are_several else []
    by_number = {row.number: row for row in rows}
    shown = [by_number[number] for number in front] or rank_rows(rows, objectives.first.mode)
    params = varied_params(rows, measure_importances([*result.copied, *result.records], space, objectives))
    directory = shlex.quote(str(format_path(result.directory)))
    console.print()
    if front:
        num_complete = sum(record.outcome is Outcome.complete for record in result.records)
        console.print(f"Pareto front, {len(front)} of {num_complete} complete trial{'s' * (num_complete != 1)}:")
    rest = f"sesemi-search trials {directory}"
    console.print(render_trials(shown[:_NUM_SHOWN], objectives.first.name, params, rest))
    console.print()
    console.print(render_outcomes(row.outcome for row in rows))
    if result.is_exhausted:
        console.print("every config of the space was asked for")
    if result.copied:
        console.print(describe_copies(result.copied), soft_wrap=True, markup=False)
    share = result.training_seconds / (result.slots * result.seconds) if result.seconds else 0.0
    took = f"the search took {format_seconds(result.seconds)}"
    if result.earlier_seconds:
        took += f" this time and {format_seconds(result.earlier_seconds)} before"
    console.print(f"{took}; {share:.0%} of the time of its {result.slots} slot{'s' * (result.slots != 1)} was training")
    _print_errors(result, console)
    _print_next(result, objectives, console)


def _print_errors(result: SearchResult, console: Console) -> None:
    """Says why trials failed and where the whole of it is; prints it once where no trial was any good."""
    by_error: dict[str, list[TrialRecord]] = {}
    for record in result.records:
        if record.outcome.is_failure:
            by_error.setdefault(error_line(record.message), []).append(record)
    for error, records in list(by_error.items())[:_NUM_ERRORS]:
        file = format_path(error_file(result.directory, records[0].number))
        text = f"{len(records)} trial{'s' * (len(records) != 1)} failed: {shorten(error)} (the whole of it: {file})"
        console.print(text, soft_wrap=True, markup=False, highlight=False)
    if len(by_error) > _NUM_ERRORS:
        others = f"{len(by_error) - _NUM_ERRORS} other errors: error.txt in the folders of the trials in "
        console.print(
            f"{others}{format_path(result.directory / 'trials')}", soft_wrap=True, markup=False, highlight=False
        )
    is_told = result.best is not None or (result.stop is not None and result.stop.kind is StopKind.error)
    if by_error and not is_told:
        first = next(iter(by_error.values()))[0]
        text = f"trial {first.number}:\n{first.message.rstrip()}"
        console.print(text, soft_wrap=True, markup=False, highlight=False)


def _print_next(result: SearchResult, objectives: Objectives, console: Console) -> None:
    if result.stop is not None:
        console.print(f"stopped: {result.stop.text}", markup=False, soft_wrap=True)
    directory = shlex.quote(str(format_path(result.directory)))
    if result.best is not None:
        gain = compare_with_baseline(result.best, result.records)
        values = format_metrics(objectives.by_name(result.best))
        console.print(f"best: trial {result.best.number}, {values}{gain}", soft_wrap=True, markup=False)
        if objectives.are_several:
            console.print(_rule(objectives), soft_wrap=True, markup=False)
    else:
        console.print("no trial ran all its epochs")
    console.print(f"search directory: {directory}", soft_wrap=True, markup=False)
    if any(record.outcome is Outcome.interrupted for record in result.records) or result.stop is not None:
        console.print(f"go on with it:  sesemi-search resume {directory}", soft_wrap=True, markup=False)
    if result.best is not None:
        command = f"sesemi-search train --config-dir {directory} --config-name best"
        console.print(f"train the best: {command}", soft_wrap=True, markup=False)


def _rule(objectives: Objectives) -> str:
    """Says how the best of a front was chosen, and how to choose another."""
    first, second = objectives.each[0].name, objectives.each[1].name
    if not objectives.within:
        return f"(the front's best {first}; search.best_within=0.01 takes the best {second} within 0.01 of it)"
    return f"(of the front, within {objectives.within:g} of its best {first}, the best {second}: search.best_within)"


def compare_with_baseline(best: TrialRecord, records: Sequence[TrialRecord]) -> str:
    """Returns by how much the best trial beat the experiment's own config, as the end of a line; "" without one."""
    baseline = next((r for r in records if r.origin is Origin.baseline), None)
    if baseline is None:
        return ""
    own = f"the experiment's own config (trial {baseline.number})"
    if baseline.number == best.number:
        return ": the experiment's own config, which no trial beat"
    if baseline.outcome is not Outcome.complete or baseline.value is None or best.value is None:
        epochs = f"{baseline.epochs} epoch{'s' * (baseline.epochs != 1)}"
        at = "" if baseline.value is None else f" at {format_metric(baseline.value)}"
        return f"; {own}: {baseline.outcome.value.replace('_', ' ')} after {epochs}{at}"
    gain = best.value - baseline.value
    return f", {format_metric(abs(gain))} {'above' if gain > 0 else 'below'} {own}"


def describe_copies(copied: Sequence[TrialRecord]) -> str:
    """One line: `12 trials copied from wide-20260101_120000-ab12`; "" without any."""
    counts = Counter(record.copied_from.rpartition("/")[0] for record in copied)
    parts = [f"{count} trial{'s' * (count != 1)} copied from {study}" for study, count in counts.items()]
    return ", ".join(parts)
