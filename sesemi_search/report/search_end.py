"""What a search says when it ends: the best trials, how the others ended, what it took, what to type next."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sesemi_search.formatting import format_metric, format_metrics, format_seconds, quote_path
from sesemi_search.report.advice import Advice, advise
from sesemi_search.report.failures import describe_failures
from sesemi_search.report.importance import measure_importances
from sesemi_search.report.table import print_trials, render_outcomes, varied_params
from sesemi_search.report.trial_rows import TrialRow, make_rows, rank_rows
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord
from sesemi_search.search.result import SearchResult
from sesemi_search.search.stopping import StopKind
from sesemi_search.space.space import Space

__all__ = ["compare_with_baseline", "describe_advice", "describe_copies", "print_search_end"]

_NUM_SHOWN = 10


def print_search_end(result: SearchResult, space: Space, objectives: Objectives, console: Console) -> None:
    """Prints the end of a search: its best trials; of several objectives, the Pareto front."""
    rows = make_rows(result.records, space, objectives)
    front = [record.number for record in objectives.front(result.records)] if objectives.are_several else []
    by_number = {row.number: row for row in rows}
    shown = [by_number[number] for number in front] or rank_rows(rows, objectives.first.mode)
    params = varied_params(rows, measure_importances([*result.copied, *result.records], space, objectives))
    console.print()
    if front:
        num_complete = sum(record.outcome is Outcome.complete for record in result.records)
        console.print(f"Pareto front, {len(front)} of {num_complete} complete trial{'s' * (num_complete != 1)}:")
    rest = f"sesemi-search trials {quote_path(result.directory)}"
    print_trials(shown[:_NUM_SHOWN], objectives.first.name, params, rest, console)
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
    _print_errors(result, rows, console)
    advice = advise([*result.copied, *result.records], space, objectives)
    for line in describe_advice(advice, result.directory):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    _print_next(result, rows, objectives, console)


def _print_errors(result: SearchResult, rows: Sequence[TrialRow], console: Console) -> None:
    """Says why trials failed and where the whole of it is; prints it once where no trial was any good."""
    for line in describe_failures(rows, result.directory):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    is_told = result.best is not None or (result.stop is not None and result.stop.kind is StopKind.error)
    first = next((record for record in result.records if record.outcome.is_failure), None)
    if first is not None and not is_told:
        text = f"trial {first.number}:\n{first.message.rstrip()}"
        console.print(text, soft_wrap=True, markup=False, highlight=False)


def _print_next(result: SearchResult, rows: Sequence[TrialRow], objectives: Objectives, console: Console) -> None:
    if result.stop is not None:
        console.print(f"stopped: {result.stop.text}", markup=False, soft_wrap=True)
    directory = quote_path(result.directory)
    if result.best is not None:
        gain = compare_with_baseline(next(row for row in rows if row.number == result.best.number), rows)
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
        console.print(f"train the best: sesemi-search train {directory}", soft_wrap=True, markup=False)
        console.print(f"its final run:  sesemi-search final {directory}", soft_wrap=True, markup=False)


def _rule(objectives: Objectives) -> str:
    """Says how the best of a front was chosen, and how to choose another."""
    first, second = objectives.each[0].name, objectives.each[1].name
    if not objectives.within:
        return f"(the front's best {first}; search.best_within=0.01 takes the best {second} within 0.01 of it)"
    return f"(of the front, within {objectives.within:g} of its best {first}, the best {second}: search.best_within)"


def compare_with_baseline(best: TrialRow, rows: Sequence[TrialRow]) -> str:
    """Returns by how much the best trial beat the experiment's own config, as the end of a line; "" without one."""
    baseline = next((row for row in rows if row.origin == Origin.baseline), None)
    if baseline is None:
        return ""
    own = f"the experiment's own config (trial {baseline.number})"
    if baseline.number == best.number:
        return ": the experiment's own config, which no trial beat"
    if baseline.outcome != Outcome.complete or baseline.value is None or best.value is None:
        epochs = f"{baseline.epochs} epoch{'s' * (baseline.epochs != 1)}"
        at = "" if baseline.value is None else f" at {format_metric(baseline.value)}"
        return f"; {own}: {baseline.outcome.replace('_', ' ')} after {epochs}{at}"
    gain = best.value - baseline.value
    return f", {format_metric(abs(gain))} {'above' if gain > 0 else 'below'} {own}"


def describe_advice(advice: Sequence[Advice], directory: Path) -> list[str]:
    """Returns a line for each advice, and what writes the space that follows from them; nothing where there is none."""
    if not advice:
        return []
    lines = ["what the trials show:", *(f"- {each.text}" for each in advice)]
    if any(each.node is not None for each in advice):
        lines.append(f"write the next space: sesemi-search refine {quote_path(directory)}")
    return lines


def describe_copies(copied: Sequence[TrialRecord]) -> str:
    """One line: `12 trials copied from wide-20260101_120000-ab12`; "" without any."""
    counts = Counter(record.copied_from.rpartition("/")[0] for record in copied)
    parts = [f"{count} trial{'s' * (count != 1)} copied from {study}" for study, count in counts.items()]
    return ", ".join(parts)
