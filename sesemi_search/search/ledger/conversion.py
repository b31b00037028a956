"""Optuna's trials and our records, translated both ways."""

import math
from typing import Any

import optuna
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Bar, Origin, Outcome, TrialRecord
from sesemi_search.space.space import Space

__all__ = [
    "BAR",
    "STATES",
    "WALL_SECONDS",
    "bar_attribute",
    "is_copy",
    "report_attribute",
    "reports",
    "storable",
    "to_copy",
    "to_outcome",
    "to_record",
]

# How Optuna has an outcome. An interrupted trial is WAITING instead: it is no finished one.
STATES = {
    Outcome.complete: TrialState.COMPLETE,
    Outcome.stopped: TrialState.PRUNED,
    Outcome.diverged: TrialState.PRUNED,
    Outcome.infeasible: TrialState.PRUNED,
    Outcome.out_of_memory: TrialState.PRUNED,
    Outcome.timed_out: TrialState.PRUNED,
    Outcome.error: TrialState.FAIL,
    Outcome.lost: TrialState.FAIL,
    # The sampler knows the config's values from the trial that it repeats.
    Outcome.duplicate: TrialState.FAIL,
}
# The study's attribute: wall seconds of all sittings, up to the last trial that ended.
WALL_SECONDS = "wall_seconds"
# A trial's attribute: what it had to reach when it was stopped.
BAR = "bar"
_COPIED_FROM = "copied_from"
_REPORT = "report "


def to_record(trial: FrozenTrial) -> TrialRecord:
    """Translates one of Optuna's trials."""
    attrs = trial.user_attrs
    metrics = {int(key.split()[1]): dict(value) for key, value in attrs.items() if key.startswith("epoch ")}
    return TrialRecord(
        number=trial.number,
        params=dict(trial.params),
        values=reports(trial),
        metrics=metrics,
        outcome=to_outcome(trial),
        attempts=attrs.get("attempts", 0),
        num_lost=attrs.get("num_lost", 0),
        seconds=sum(m.get("epoch_seconds") or 0.0 for m in metrics.values()),
        num_params=attrs.get("num_params"),
        flops=attrs.get("flops"),
        digest=attrs.get("digest", ""),
        duplicate_of=attrs.get("duplicate_of"),
        node=attrs.get("node", ""),
        message=attrs.get("message", ""),
        origin=Origin(attrs.get("origin", Origin.sampled)),
        bar=_to_bar(attrs.get(BAR)),
        copied_from=attrs.get(_COPIED_FROM, ""),
        began=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def bar_attribute(bar: Bar) -> dict[str, Any]:
    """Returns what is stored of a bar."""
    return {**vars(bar), "value": None if bar.value is None else storable(bar.value)}


def _to_bar(stored: Any) -> Bar | None:
    """Returns the bar that was stored, None where there is none: a ledger may be of whoever's making."""
    if not isinstance(stored, dict) or stored.keys() != set(Bar.__dataclass_fields__):
        return None
    whole = all(isinstance(stored[name], int) for name in ("epoch", "places", "num_rivals"))
    return Bar(**stored) if whole and isinstance(stored["value"], int | float | None) else None


def reports(trial: FrozenTrial) -> dict[int, float]:
    """Returns the first objective by epoch.

    Optuna takes no reports in a study of several objectives; there they are attributes.
    """
    attributes = {key: value for key, value in trial.user_attrs.items() if key.startswith(_REPORT)}
    ours = {int(key.removeprefix(_REPORT)): math.nan if value is None else value for key, value in attributes.items()}
    return {epoch: float(value) for epoch, value in {**ours, **trial.intermediate_values}.items()}


def report_attribute(epoch: int) -> str:
    """Returns the name of the attribute that holds the report of an epoch."""
    return f"{_REPORT}{epoch:04d}"


def is_copy(trial: FrozenTrial) -> bool:
    """Whether a trial was copied from another search."""
    return _COPIED_FROM in trial.user_attrs


def to_copy(record: TrialRecord, space: Space, objectives: Objectives) -> FrozenTrial:
    """Makes one of Optuna's trials of a finished trial of another search.

    Pruners that read the reports of complete trials see copies; successive halving does not (see `PruningStudy`).
    """
    known = FixedTrial(dict(record.params))
    space.sample(known)
    attributes: dict[str, Any] = {
        f"epoch {epoch:04d}": {name: v if v is None else storable(v) for name, v in metrics.items()}
        for epoch, metrics in record.metrics.items()
    }
    facts = {"num_params": record.num_params, "flops": record.flops, "message": record.message or None}
    attributes |= {name: value for name, value in facts.items() if value is not None}
    attributes |= {"outcome": record.outcome.value, "origin": Origin.copied.value, _COPIED_FROM: record.copied_from}
    if objectives.are_several:
        attributes |= {report_attribute(epoch): storable(value) for epoch, value in record.values.items()}
    return optuna.create_trial(
        state=STATES[record.outcome],
        values=_told_values(record, objectives),
        params=dict(record.params),
        distributions=known.distributions,
        intermediate_values={} if objectives.are_several else dict(record.values),
        user_attrs=attributes,
    )


def _told_values(record: TrialRecord, objectives: Objectives) -> list[float] | None:
    """Returns the values that Optuna has of a trial that was told: a pruned one has its last report, if a number."""
    if record.outcome is not Outcome.complete and objectives.are_several:
        return None
    values = objectives.values(record)
    return None if any(map(math.isnan, values)) else list(values)


def to_outcome(trial: FrozenTrial) -> Outcome:
    """Returns how one of Optuna's trials ended, or that it has not."""
    if trial.state is TrialState.RUNNING:
        return Outcome.running
    if trial.state is TrialState.WAITING:
        return Outcome.interrupted
    return Outcome(trial.user_attrs["outcome"])


def storable(value: float) -> float | None:
    """NaN and infinity are not JSON; in the metrics they are null. The objective's own reports keep them."""
    return value if math.isfinite(value) else None
