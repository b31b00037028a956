"""Optuna's trials and our records, translated both ways."""

import math
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from sesemi_search.search.records import Origin, Outcome, TrialRecord
from sesemi_search.space.space import Space

__all__ = ["STATES", "is_copy", "storable", "to_copy", "to_record"]

# How Optuna has an outcome. An interrupted trial is WAITING instead: it is no finished one.
STATES = {
    Outcome.complete: TrialState.COMPLETE,
    Outcome.stopped: TrialState.PRUNED,
    Outcome.diverged: TrialState.PRUNED,
    Outcome.infeasible: TrialState.PRUNED,
    Outcome.out_of_memory: TrialState.PRUNED,
    Outcome.error: TrialState.FAIL,
    Outcome.lost: TrialState.FAIL,
}
_COPIED_FROM = "copied_from"


def to_record(trial: FrozenTrial) -> TrialRecord:
    """Translates one of Optuna's trials."""
    attrs = trial.user_attrs
    metrics = {int(key.split()[1]): dict(value) for key, value in attrs.items() if key.startswith("epoch ")}
    return TrialRecord(
        number=trial.number,
        params=dict(trial.params),
        values=dict(trial.intermediate_values),
        metrics=metrics,
        outcome=_outcome(trial),
        attempts=attrs.get("attempts", 0),
        num_lost=attrs.get("num_lost", 0),
        seconds=sum(m.get("epoch_seconds") or 0.0 for m in metrics.values()),
        num_params=attrs.get("num_params"),
        flops=attrs.get("flops"),
        node=attrs.get("node", ""),
        message=attrs.get("message", ""),
        origin=Origin(attrs.get("origin", Origin.sampled)),
        copied_from=attrs.get(_COPIED_FROM, ""),
    )


def is_copy(trial: FrozenTrial) -> bool:
    """Whether a trial was copied from another search."""
    return _COPIED_FROM in trial.user_attrs


def to_copy(record: TrialRecord, space: Space) -> FrozenTrial:
    """Makes one of Optuna's trials of a finished trial of another search.

    It has no `completed_rung_k` of `SuccessiveHalvingPruner`: a rung is an epoch only under the same settings, and the
    pruner would judge what a well-informed sampler proposes by another search's random beginnings, and the baseline by
    trials that do not run beside it. Pruners that read the reports of complete trials do see copies.
    """
    distributions = _Distributions(record.params)
    space.sample(distributions)
    state = STATES[record.outcome]
    attributes: dict[str, Any] = {
        f"epoch {epoch:04d}": {name: v if v is None else storable(v) for name, v in metrics.items()}
        for epoch, metrics in record.metrics.items()
    }
    facts = {"num_params": record.num_params, "flops": record.flops, "message": record.message or None}
    attributes |= {name: value for name, value in facts.items() if value is not None}
    attributes |= {"outcome": record.outcome.value, "origin": Origin.copied.value, _COPIED_FROM: record.copied_from}
    return optuna.create_trial(
        state=state,
        # As Optuna has it of a trial that was told: the last report, unless it is no number.
        value=None if record.value is None or math.isnan(record.value) else record.value,
        params=dict(record.params),
        distributions=distributions.by_name,
        intermediate_values=dict(record.values),
        user_attrs=attributes,
    )


class _Distributions:
    """Answers a space with known parameters, and notes the distribution that each is of."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self.by_name: dict[str, BaseDistribution] = {}

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        return float(self._note(name, FloatDistribution(low, high, log, step)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        return int(self._note(name, IntDistribution(low, high, log, step)))

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        return self._note(name, CategoricalDistribution(choices))

    def _note(self, name: str, distribution: BaseDistribution) -> Any:
        self.by_name[name] = distribution
        return self._params[name]


def _outcome(trial: FrozenTrial) -> Outcome:
    if trial.state is TrialState.RUNNING:
        return Outcome.running
    if trial.state is TrialState.WAITING:
        return Outcome.interrupted
    return Outcome(trial.user_attrs["outcome"])


def storable(value: float) -> float | None:
    """NaN and infinity are not JSON; in the metrics they are null. The objective's own reports keep them."""
    return value if math.isfinite(value) else None
