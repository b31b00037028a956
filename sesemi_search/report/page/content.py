"""What the page shows of a search, as JSON: columns of numbers, one place a trial. All of it comes from the ledger.

What is long is short here: numbers have six digits, texts that repeat are places in a list.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sesemi_search.config.experiment import plain
from sesemi_search.errors import ConfigError
from sesemi_search.final.result import read_final
from sesemi_search.formatting import mask_passwords, quote_path
from sesemi_search.project.project import PROVENANCE
from sesemi_search.report.advice import advise
from sesemi_search.report.importance import measure_importances
from sesemi_search.report.page.configs import pack_configs
from sesemi_search.report.page.working_time import lay_out
from sesemi_search.report.search_end import compare_with_baseline
from sesemi_search.report.summary import State, Summary, summarize
from sesemi_search.report.trial_rows import TrialRow
from sesemi_search.search.directory import count_finals, file_inside, final_dir
from sesemi_search.search.ledger.records import TrialRecord
from sesemi_search.search.stored_search import StoredSearch
from sesemi_search.space.domains import Float, Int, Options
from sesemi_search.space.space import Dimension

__all__ = ["make_content"]

_MOST_EPOCHS = 100_000  # a ledger of whoever's making may name any as its last


def make_content(stored: StoredSearch) -> dict[str, Any]:
    """Returns what the page shows of a search.

    `advice` is a list of sentences and `final` a list of label and text, for what comes after a search.
    """
    summary = summarize(stored)
    return {
        "search": _describe_search(summary),
        "trials": _columns(stored, summary),
        "params": list(_params(stored, summary.rows)),
        "curves": [_curve(record) for record in stored.records],
        "front": [record.number for record in stored.objectives.front(stored.records)],
        "advice": list(_advice(stored, summary)),
        "final": list(_describe_final(stored.directory)),
        "provenance": _describe_provenance(stored),
        "configs": pack_configs(stored.records, stored.space, stored.experiment),
    }


def _advice(stored: StoredSearch, summary: Summary) -> Iterable[str]:
    """Yields what the trials of a finished search show."""
    if summary.state is State.finished:
        yield from (each.text for each in advise(stored.all_records, stored.space, stored.objectives))


def _describe_final(directory: Path) -> Iterable[tuple[str, str]]:
    """Yields what the final runs of a search came to, the first look at test before later ones."""
    for attempt in range(1, count_finals(directory) + 1):
        if (run := read_final(final_dir(directory, attempt))) is None:
            continue
        yield "trained", run.winner
        yield "test", run.describe_test()
        yield "test was opened", run.opened
        for number, sentence in enumerate(run.sentences):
            yield "" if number else "how it was chosen", sentence
        yield "folder", quote_path(run.directory)


def _describe_search(summary: Summary) -> dict[str, Any]:
    best = summary.best
    return {
        "name": summary.name,
        "directory": quote_path(summary.directory),
        "state": summary.state.value,
        "began": None if summary.began is None else summary.began.isoformat(sep=" ", timespec="minutes"),
        "written": datetime.now().isoformat(sep=" ", timespec="seconds"),
        "seconds": summary.seconds,
        "seconds_left": summary.seconds_left,
        "num_trials": summary.num_trials,
        "metrics": [{"name": each.name, "mode": each.mode} for each in summary.objectives.each],
        "best": None if best is None else best.number,
        "baseline": None if summary.baseline is None else summary.baseline.number,
        "gain": "" if best is None else compare_with_baseline(best, summary.rows).strip(",;: "),
    }


def _columns(stored: StoredSearch, summary: Summary) -> dict[str, Any]:
    rows, records = summary.rows, stored.records
    spans = lay_out(records, datetime.now() if summary.holder else None)
    places = [spans.get(record.number) for record in records]
    return {
        "number": [row.number for row in rows],
        "outcome": _repeated(row.outcome for row in rows),
        "value": [_short(row.value) for row in rows],
        "others": {each.name: [_short(row.others[each.name]) for row in rows] for each in summary.objectives.each[1:]},
        "epochs": [row.epochs for row in rows],
        "seconds": [_short(row.seconds) for row in rows],
        "num_params": [row.num_params for row in rows],
        "flops": [row.flops for row in rows],
        "origin": _repeated(row.origin for row in rows),
        "error": _repeated(row.error for row in rows),
        "node": _repeated(str(record.node) for record in records),
        "attempts": [record.attempts for record in records],
        "bar": [_bar(record) for record in records],
        "began": [None if span is None else round(span.began, 1) for span in places],
        "ended": [None if span is None else round(span.ended, 1) for span in places],
        "slot": [None if span is None else span.slot for span in places],
    }


def _bar(record: TrialRecord) -> list[Any] | None:
    if record.bar is None:
        return None
    return [record.bar.epoch, _short(record.bar.value), record.bar.places, record.bar.num_rivals]


def _curve(record: TrialRecord) -> list[float | None]:
    """Returns the first objective after each epoch from the first."""
    return [_short(record.values.get(epoch)) for epoch in range(1, min(record.epochs, _MOST_EPOCHS) + 1)]


def _params(stored: StoredSearch, rows: Sequence[TrialRow]) -> Iterable[dict[str, Any]]:
    """Yields each parameter that a trial has: its name, its domain, its importance and its values."""
    records = stored.records
    names = {
        full: name
        for record, row in zip(records, rows, strict=True)
        for full, name in zip(record.params, row.params, strict=True)
    }
    importances = measure_importances([*stored.copied, *records], stored.space, stored.objectives)
    for dimension in stored.space.dimensions:
        if dimension.name in names:
            values = [record.params.get(dimension.name) for record in records]
            has = [dimension.name in record.params for record in records]
            yield {
                "name": names[dimension.name],
                "path": dimension.name,
                "condition": " and ".join(f"{_last(key)} is {option}" for key, option in dimension.condition.items()),
                "importance": _short(importances.get(stored.space.short_names[dimension.name])),
                **_describe_values(dimension, values, has),
            }


def _describe_values(dimension: Dimension, values: Sequence[Any], has: Sequence[bool]) -> dict[str, Any]:
    domain = dimension.domain
    if isinstance(domain, Float | Int):
        numbers = [_short(value) if isinstance(value, int | float) else None for value in values]
        return {"kind": "number", "log": domain.log, "low": domain.low, "high": domain.high, "values": numbers}
    given = domain.nodes if isinstance(domain, Options) else domain.values
    choices = dict.fromkeys([*map(_text, given), *(_text(v) for v, is_set in zip(values, has, strict=True) if is_set)])
    places = {text: place for place, text in enumerate(choices)}
    return {
        "kind": "choice",
        "family": isinstance(domain, Options) or dimension.name.endswith(".name"),
        "choices": list(choices),
        "values": [places[_text(v)] if is_set else None for v, is_set in zip(values, has, strict=True)],
    }


def _text(value: Any) -> str:
    """Returns a choice as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _repeated(texts: Iterable[str]) -> dict[str, Any]:
    """Returns the different texts, and for each trial the place of its own among them."""
    different: dict[str, int] = {}
    places = [different.setdefault(text, len(different)) for text in texts]
    return {"texts": list(different), "places": places}


def _short(value: float | None) -> float | None:
    """Returns a number with six digits; None where there is none that JSON has."""
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _describe_provenance(stored: StoredSearch) -> list[tuple[str, str]]:
    """Returns label and text of what the search was made from, as its directory has it."""
    try:
        known = json.loads(file_inside(stored.directory, stored.directory / PROVENANCE).read_text())
    except (ConfigError, OSError, ValueError):
        known = {}
    if not isinstance(known, dict):
        known = {}
    return [(label, mask_passwords(text)) for label, text in _provenance_lines(stored, known) if text]


def _provenance_lines(stored: StoredSearch, known: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "study", stored.name
    yield "directory", quote_path(stored.directory)
    for label in ("command", "started", "project"):
        yield label, str(known.get(label) or "")
    git = known.get("git")
    if isinstance(git, dict):
        yield "git commit", f"{git.get('commit')}{' with changes' if git.get('dirty_diff') else ''}"
    for label in ("host", "platform", "python", "cpus"):
        yield label, str(known.get(label) or "")
    gpus, packages = known.get("gpus"), known.get("packages")
    yield "gpus", ", ".join(map(str, gpus)) if isinstance(gpus, list) else ""
    if isinstance(packages, dict):
        yield "packages", ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    for label in ("sampler", "pruner"):
        yield label, json.dumps(plain(stored.config.search)[label])
