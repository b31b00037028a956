"""The run of a search itself in W&B, beside those of its trials: how far it is, its best so far, what came of it.

A search that runs and `track` tell it in the same words, which follow from the ledger and the files of the search.
"""

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sesemi_search.config.schema import SearchConfig
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import mask_passwords
from sesemi_search.project.project import PROVENANCE
from sesemi_search.report.importance import measure_importances
from sesemi_search.report.summary import State
from sesemi_search.report.trial_rows import TrialRow, column_names, flatten_row, make_rows
from sesemi_search.search.directory import REPORT, SEARCH_YAML, file_inside, trial_dir
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Outcome, TrialRecord
from sesemi_search.search.tracked_run import is_tracked, name_columns, tracked_objectives
from sesemi_search.space.space import Space
from sesemi_search.tracking.columns import column_name, node_label
from sesemi_search.tracking.tracker import Exhibits, ModelFiles, RunStart
from sesemi_search.tracking.weights_and_biases import WandbTracker

__all__ = ["SearchFacts", "TrackedSearch", "read_facts", "track_search"]

_NUMBER = -1  # among the numbers of trials
_AXIS = "ended/all"
_CHECKPOINT = ("checkpoint.pt", "config.yaml")
_NOT_IN_A_NAME = re.compile(r"[^\w.-]", re.ASCII)  # of an artifact


@dataclass(frozen=True)
class SearchFacts:
    """What there is to tell of a search.

    Attributes:
        directory: The search directory.
        study: Name of the study, the group of its runs.
        options: How it searches.
        space: What it searches.
        objectives: What it optimizes.
        records: Its trials so far that have a run.
        copied: Trials of earlier searches that it began with.
        is_finished: Whether it has tried all that it was asked for.
        seconds: Wall seconds of all sittings.
    """

    directory: Path
    study: str
    options: SearchConfig
    space: Space
    objectives: Objectives
    records: Sequence[TrialRecord]
    copied: Sequence[TrialRecord]
    is_finished: bool
    seconds: float


def read_facts(ledger: Ledger, directory: Path, options: SearchConfig, space: Space) -> SearchFacts:
    """Returns the facts of a search as its driver has them.

    Args:
        ledger: Its ledger.
        directory: The search directory.
        options: How it searches.
        space: What it searches.
    """
    records = ledger.records()
    asked = ledger.num_counted >= options.num_trials or ledger.is_exhausted
    return SearchFacts(
        directory,
        ledger.name,
        options,
        space,
        ledger.objectives,
        list(filter(is_tracked, records)),
        ledger.copied(),
        is_finished=asked and all(record.is_ended for record in records),
        seconds=ledger.wall_s,
    )


class TrackedSearch:
    """A tracker that tells W&B of trials and, as they end, of their search.

    Args:
        tracker: Tells W&B.
        read: Returns the facts of the search as they are.
        with_model: Whether the best trial's checkpoint is uploaded.
    """

    def __init__(self, tracker: WandbTracker, read: Callable[[], SearchFacts], with_model: bool) -> None:
        self._tracker = tracker
        self._read = read
        self._with_model = with_model
        facts = read()
        self._progress = _Progress(facts)
        self._tracker.start(_search_start(facts, self._progress.replay(facts.records)))

    def start(self, run: RunStart) -> None:
        """A trial begins."""
        self._tracker.start(run)

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch of a trial ended."""
        self._tracker.log(number, epoch, metrics)

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        """A trial ended, and the search is so much further."""
        self._tracker.end(number, outcome, summary)
        if outcome != Outcome.interrupted:
            row = self._progress.add(outcome, summary["last"])
            self._tracker.log(_NUMBER, self._progress.num_ended, row)

    def close(self) -> None:
        """The sitting is over."""
        try:
            _end_search(self._tracker, self._read(), self._with_model)
        finally:
            self._tracker.close()


def track_search(tracker: WandbTracker, facts: SearchFacts, with_model: bool) -> None:
    """Writes the run of a search that nobody is at work on."""
    tracker.start(_search_start(facts, _Progress(facts).replay(facts.records)))
    _end_search(tracker, facts, with_model)


def _end_search(tracker: WandbTracker, facts: SearchFacts, with_model: bool) -> None:
    tracker.show(_NUMBER, _exhibits(facts, with_model))
    state = State.finished if facts.is_finished else State.stopped
    tracker.end(_NUMBER, state.value, _summary(facts))


class _Progress:
    """Counts the trials that end, in the order in which they do."""

    def __init__(self, facts: SearchFacts) -> None:
        self._best_name = f"best/{facts.objectives.first.name}"
        self._better = max if facts.objectives.first.maximize else min
        self._num_trials = facts.options.num_trials
        self._best: float | None = None
        self._counts: Counter[str] = Counter()

    @property
    def num_ended(self) -> int:
        return self._counts.total()

    def replay(self, records: Iterable[TrialRecord]) -> dict[int, dict[str, float]]:
        """Returns the rows of trials that have ended, by how many had."""
        ended = [each for each in records if each.is_ended]
        ended.sort(key=lambda each: (each.ended is None, each.ended, each.number))
        rows = [self.add(each.outcome, each.value) for each in ended]
        return dict(enumerate(rows, 1))

    def add(self, outcome: str, value: float | None) -> dict[str, float]:
        """Returns the row of one more trial."""
        self._counts[outcome] += 1
        if outcome == Outcome.complete and value is not None:
            self._best = value if self._best is None else self._better(value, self._best)
        best = {} if self._best is None else {self._best_name: self._best}
        num_failed = sum(count for name, count in self._counts.items() if Outcome(name).is_failure)
        return {
            "ended/complete": self._counts[Outcome.complete],
            "ended/stopped": self._counts[Outcome.stopped],
            "ended/failed": num_failed,
            "progress": self.num_ended / self._num_trials,
            **best,
        }


def _search_start(facts: SearchFacts, history: Mapping[int, Mapping[str, float]]) -> RunStart:
    options, directory = facts.options, facts.directory
    parts = {"sampler": node_label(options.sampler), "pruner": node_label(options.pruner)}
    metrics = {"metric": facts.objectives.first.name, "mode": facts.objectives.first.mode}
    varied = sorted({column_name(key) for key in facts.space.keys.values()})
    return RunStart(
        number=_NUMBER,
        run_id=f"{facts.study}-search",
        name=facts.study,
        job_type="search",
        group=facts.study,
        params={},
        config={
            "space": options.name,
            "num_trials": options.num_trials,
            **parts,
            **metrics,
            "varied": ", ".join(varied),
        },
        num_epochs=options.num_trials,
        history=history,
        files={SEARCH_YAML: mask_passwords(_read_file(directory, SEARCH_YAML))},
        notes=f"search directory: {directory}\n{_begun_with(directory)}"
        f"to go on with it: sesemi-search resume {shlex.quote(str(directory))}",
        tags=[options.name],
        objectives={f"best/{name}": mode for name, mode in list(tracked_objectives(facts.objectives).items())[:1]},
        axis=_AXIS,
    )


def _summary(facts: SearchFacts) -> dict[str, Any]:
    best = facts.objectives.best(facts.records)
    outcomes = Counter(each.outcome.value for each in facts.records)
    facts_of_best = {} if best is None else {"best_trial": best.number, "best": best.value}
    return {**facts_of_best, **{f"outcomes/{name}": n for name, n in outcomes.items()}, "seconds": facts.seconds}


def _exhibits(facts: SearchFacts, with_model: bool) -> Exhibits:
    rows = [_row(facts, record) for record in facts.records]
    columns = column_names(rows)
    table = [{name: flatten_row(row).get(name) for name in columns} for row in rows]
    importances = measure_importances([*facts.copied, *facts.records], facts.space, facts.objectives)
    columns_of = {facts.space.short_names[name]: column_name(key) for name, key in facts.space.keys.items()}
    bars: dict[str, float] = {}
    for name, value in importances.items():  # rates of two optimizers are two parameters in one column
        bars[columns_of[name]] = bars.get(columns_of[name], 0.0) + value
    report = _file(facts.directory, facts.directory / REPORT)
    return Exhibits(
        tables={"trials": table} if table else {},
        bars={"importances": bars} if bars else {},
        pages={} if report is None else {"report": report},
        model=_best_model(facts) if with_model else None,
    )


def _row(facts: SearchFacts, record: TrialRecord) -> TrialRow:
    """Returns a trial as tables have it, its parameters by the columns of W&B."""
    [row] = make_rows([record], facts.space, facts.objectives, is_live=False)
    return replace(row, params=name_columns(record.params, facts.space))


def _best_model(facts: SearchFacts) -> ModelFiles | None:
    """Returns the checkpoint of the best trial with its config; None where the search keeps none."""
    best = facts.objectives.best(facts.records)
    if best is None:
        return None
    folder = trial_dir(facts.directory, best.number)
    files = {name: _file(facts.directory, folder / name) for name in _CHECKPOINT}
    found = {name: path for name, path in files.items() if path is not None}
    if len(found) < len(files):
        return None
    return ModelFiles(
        name=f"{_NOT_IN_A_NAME.sub('-', facts.study)}-model",
        files=found,
        aliases=["best", f"trial-{best.number:04d}"],
        facts={"trial": best.number, "epochs": best.epochs, **facts.objectives.by_name(best)},
    )


def _file(directory: Path, path: Path) -> Path | None:
    """Returns the path of a file of the search; None where there is none, or it leads elsewhere."""
    try:
        return file_inside(directory, path)
    except ConfigError:
        return None


def _read_file(directory: Path, name: str) -> str:
    path = _file(directory, directory / name)
    try:
        return "" if path is None else path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _begun_with(directory: Path) -> str:
    """Returns a line with the command that began the search, "" where nothing tells."""
    try:
        command = json.loads(_read_file(directory, PROVENANCE))["command"]
        return f"begun with: {mask_passwords(str(command))}\n"
    except (ValueError, KeyError, TypeError):
        return ""
