"""What trackers are told of a trial: the same by a search that runs and by `track`, which tells it anew."""

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sesemi_search.formatting import format_value
from sesemi_search.search.ledger.objectives import COSTS, Objectives
from sesemi_search.search.ledger.records import Origin, TrialRecord
from sesemi_search.search.stopping import error_line
from sesemi_search.space.space import Space
from sesemi_search.tracking.columns import CONFIG_FILE, column_name, experiment_facts
from sesemi_search.tracking.tracker import RunStart

__all__ = ["is_tracked", "make_run_id", "name_columns", "run_start", "run_summary", "tracked_objectives"]

_NAME_LENGTH = 72  # characters; W&B cuts names at 128, and its lists much earlier


def run_start(
    directory: Path,
    study: str,
    record: TrialRecord,
    space: Space,
    objectives: Objectives,
    config: Mapping[str, Any],
    text: str,
) -> RunStart:
    """Returns the beginning of a trial's run.

    Args:
        directory: The search directory.
        study: Name of the study; the run's group, and the first part of its id.
        record: The trial; the epochs that it has are the run's history.
        space: Names its parameters for people.
        objectives: What the search optimizes.
        config: Its resolved config.
        text: Its config as it is written.
    """
    facts = experiment_facts(config)
    costs = {name: getattr(record, name) for name in COSTS if getattr(record, name) is not None}
    params = space.shorten(record.params)
    origin = [] if record.origin is Origin.sampled else [record.origin.value]
    return RunStart(
        number=record.number,
        run_id=make_run_id(study, record.number),
        name=_name_run(record.number, params),
        job_type="trial",
        group=study,
        params=params,
        config={**name_columns(record.params, space), **facts, **costs},
        num_epochs=config["run"]["num_epochs"],
        # The ledger has null for NaN and infinity.
        history={
            epoch: {name: math.nan if value is None else value for name, value in metrics.items()}
            for epoch, metrics in record.metrics.items()
        },
        files={CONFIG_FILE: text},
        notes=f"search directory: {directory}\n"
        f"to train it in full: sesemi-search train {shlex.quote(str(directory))} --trial {record.number}",
        tags=[*(facts[name] for name in ("backbone", "head") if name in facts), *origin],
        objectives=tracked_objectives(objectives),
    )


def is_tracked(record: TrialRecord) -> bool:
    """Whether a trial has a run: what was passed over has none, and neither has one that no worker got."""
    return record.attempts > 0 and record.is_counted


def make_run_id(study: str, number: int) -> str:
    """Returns the id of a trial's run."""
    return f"{study}-{number:04d}"


def name_columns(params: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """Returns parameters by the columns that they have in every search."""
    return {column_name(space.keys[name]): value for name, value in params.items()}


def tracked_objectives(objectives: Objectives) -> dict[str, str]:
    """Returns `max` or `min` for each objective that is measured in every epoch."""
    return {each.name: each.mode for each in objectives.each if each.name not in COSTS}


def run_summary(record: TrialRecord, outcome: str, objectives: Objectives) -> dict[str, Any]:
    """Returns the last words of a trial's run: its outcome, its epochs, its objectives, the costs of its model.

    `best` and `last` are of the first objective; each objective has them under its own name besides. Of a trial that
    failed also its error, in a line.
    """
    spans = {name: _sum_up(record, name, objectives) for name in tracked_objectives(objectives)}
    first = objectives.first
    costs = {name: getattr(record, name) for name in COSTS if getattr(record, name) is not None}
    error = {"error": error_line(record.message)} if record.outcome.is_failure else {}
    return {
        "outcome": outcome,
        "epochs": record.epochs,
        "best": spans[first.name][first.mode],
        "last": record.value,
        **spans,
        **costs,
        **error,
    }


def _sum_up(record: TrialRecord, name: str, objectives: Objectives) -> dict[str, float | None]:
    """Returns the best value of an objective that is one and its last, as W&B does where a metric is so defined."""
    is_first = name == objectives.first.name
    values = list(record.values.values()) if is_first else [each.get(name) for each in record.metrics.values()]
    finite = [value for value in values if value is not None and math.isfinite(value)]
    mode = tracked_objectives(objectives)[name]
    return {mode: (max if mode == "max" else min)(finite, default=None), "last": values[-1] if values else None}


def _name_run(number: int, params: Mapping[str, Any]) -> str:
    """Returns what a run is called: its number, the options that it has, then its numbers, as many as fit.

    Short names come first, of which more fit: `0017 scaled lr=0.18 scale=12 out_features=34`.
    """
    options = [format_value(value) for value in params.values() if isinstance(value, str)]
    numbers = [f"{name}={_round(value)}" for name, value in params.items() if not isinstance(value, str)]
    name = f"{number:04d}"
    for part in [*options, *sorted(numbers, key=lambda part: len(part.partition("=")[0]))]:
        if len(name) + len(part) < _NAME_LENGTH:
            name = f"{name} {part}"
    return name


def _round(value: Any) -> str:
    """Returns a value in few digits: 0.18, 3.1e-05."""
    return f"{value:.2g}" if isinstance(value, float) and abs(value) < 100 else format_value(value)
