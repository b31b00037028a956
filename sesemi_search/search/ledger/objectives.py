"""What a search optimizes: one metric or several, which trials are best by them, and which one is taken.

With several, no trial need be the best: the Pareto front holds those that no other beats in one objective without being
worse in another (Deb 2001).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sesemi_search.config.schema import SearchConfig
from sesemi_search.errors import Problem, raise_problems, suggest
from sesemi_search.metrics import METRICS, SPLIT_METRICS, Objective, is_more_better, measured_names
from sesemi_search.search.ledger.records import Outcome, TrialRecord

__all__ = ["COSTS", "Objective", "Objectives", "objective_names", "parse_objectives"]

# What is known of a trial's model before its first epoch: parameters, and operations of one forward pass of one image.
COSTS = ("num_params", "flops")
_SECONDS = "epoch_seconds"
_MODES = ("max", "min")
_EQUAL = 1e-9  # 0.98 - 0.01 is not quite 0.97


@dataclass(frozen=True)
class Objectives:
    """The objectives of a search, the first of which its pruner judges by.

    Attributes:
        each: The objectives, at least one.
        within: How much worse in the first objective than the best a trial may be to be taken for another's sake.
        beside: Names of further metrics, which are shown and judge nothing.
    """

    each: tuple[Objective, ...]
    within: float = 0.0
    beside: tuple[str, ...] = ()

    @property
    def first(self) -> Objective:
        """The objective that is reported epoch by epoch."""
        return self.each[0]

    @property
    def are_several(self) -> bool:
        """Whether there is more than one."""
        return len(self.each) > 1

    @property
    def directions(self) -> list[Literal["maximize", "minimize"]]:
        """What Optuna is to do with each."""
        return ["maximize" if objective.maximize else "minimize" for objective in self.each]

    def values(self, record: TrialRecord) -> tuple[float, ...]:
        """Returns a trial's value of each objective after its last epoch; NaN where it has none.

        `epoch_seconds`, where it is not the first, is the mean over the epochs, of which one alone says little.
        """
        first = math.nan if record.value is None else record.value
        return (first, *(_value(record, objective.name) for objective in self.each[1:]))

    def by_name(self, record: TrialRecord) -> dict[str, float]:
        """Returns the same by the metrics' names, and what else is shown."""
        judged = {each.name: value for each, value in zip(self.each, self.values(record), strict=True)}
        return {**judged, **{name: _value(record, name) for name in self.beside}}

    def front(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns the complete trials that no other dominates, best in the first objective first."""
        ranked = sorted(
            ((self._costs(r), r) for r in records if self.is_comparable(r)), key=lambda each: (each[0], each[1].number)
        )
        front: list[tuple[tuple[float, ...], TrialRecord]] = []
        for costs, record in ranked:  # whoever dominates a trial comes before it, and its equals just before it
            if (front and front[-1][0] == costs) or not any(_dominates(other, costs) for other, _ in front):
                front.append((costs, record))
        return [record for _, record in front]

    def best(self, records: Sequence[TrialRecord]) -> TrialRecord | None:
        """Returns the trial to take, the earliest of equals; None where no trial is complete.

        With one objective it is the best complete trial. With several it is, of those of the front whose first
        objective lies within `within` of the best one, the best in the second, and of equals in the third, and so on.
        """
        front = self.front(records)
        if not front:
            return None
        best = self._costs(front[0])[0]
        near = [r for r in front if self._costs(r)[0] <= best + self.within + _EQUAL]
        return min(near, key=lambda r: (*self._costs(r)[1:], self._costs(r)[0], r.number))

    def is_comparable(self, record: TrialRecord) -> bool:
        """Whether a trial is complete and has each value."""
        return record.outcome is Outcome.complete and all(map(math.isfinite, self.values(record)))

    def _costs(self, record: TrialRecord) -> tuple[float, ...]:
        """A trial's values, of all of which less is better."""
        values = self.values(record)
        return tuple(-v if each.maximize else v for each, v in zip(self.each, values, strict=True))


def parse_objectives(search: SearchConfig, metrics: Mapping[str, Any] | None = None) -> Objectives:
    """Returns the objectives that `search.metric`, `search.mode` and `search.best_within` describe.

    Args:
        search: The settings of the search.
        metrics: `learner.metrics`: what is measured besides, and can be an objective.

    Raises:
        ConfigError: With all that is wrong with them.
    """
    metrics = metrics or {}
    names = objective_names(search)
    modes = search.mode if isinstance(search.mode, list) else [search.mode] * len(names)
    raise_problems(list(_check(names, modes, search, metrics)))
    each = tuple(
        Objective(name, bool(_is_more_better(name, metrics)) if mode is None else mode == "max")
        for name, mode in zip(names, modes, strict=True)
    )
    measured = (f"val/{name}" for name in measured_names(metrics))
    return Objectives(each, search.best_within, tuple(name for name in measured if name not in names))


def objective_names(search: SearchConfig) -> list[Any]:
    """Returns the metrics of `search.metric`, one or several."""
    return search.metric if isinstance(search.metric, list) else [search.metric]


def _check(
    names: Sequence[Any], modes: Sequence[Any], search: SearchConfig, metrics: Mapping[str, Any]
) -> Iterator[Problem]:
    measured = (f"val/{name}" for name in dict.fromkeys([*SPLIT_METRICS, *measured_names(metrics)]))
    known = (*METRICS, *measured, *COSTS)
    for name in names:
        if name not in known:
            near = suggest(str(name), known)
            yield Problem(
                "search.metric", f"got {name!r}, which no trial reports; it takes of {', '.join(known)}.{near}"
            )
    if not names:
        yield Problem("search.metric", "got an empty list; it takes a metric, or several.")
    elif len(set(map(str, names))) < len(names):
        yield Problem("search.metric", f"got {names}; each metric once.")
    elif names[0] in COSTS:
        takes = ", ".join(name for name in known if name not in COSTS)
        yield Problem(
            "search.metric", f"got {names[0]!r} first; the first is what epochs are judged by, one of {takes}."
        )
    for mode in modes:
        if mode not in (*_MODES, None):
            yield Problem("search.mode", f"got {mode!r}; it takes max or min.{suggest(str(mode), _MODES)}")
    if len(modes) != len(names):
        yield Problem("search.mode", f"got {len(modes)} modes for {len(names)} metrics; it takes one for each.")
    for name, mode in zip(names, modes, strict=False):
        is_better = _is_more_better(name, metrics)
        if mode is None and is_better is None and name in known:
            text = f"missing; {name} does not say whether more or less of it is better. It takes max or min."
            yield Problem("search.mode", text)
        elif mode in _MODES and is_better is not None and (mode == "max") != is_better:
            better = "more" if is_better else "less"
            example = _example(names, metrics)
            yield Problem("search.mode", f"got {mode!r} for {name}, of which {better} is better; {example}.")
    if search.best_within and len(names) == 1:
        yield Problem(
            "search.best_within", f"got {search.best_within:g}; it chooses between several metrics, and there is one."
        )


def _example(names: Sequence[Any], metrics: Mapping[str, Any]) -> str:
    modes = ["min" if _is_more_better(name, metrics) is False else "max" for name in names]
    listed = f"[{','.join(modes)}]" if modes[1:] else modes[0]
    return f"set search.mode={listed}, or leave it out"


def _is_more_better(name: Any, metrics: Mapping[str, Any]) -> bool | None:
    return False if name in COSTS else is_more_better(str(name), metrics)


def _value(record: TrialRecord, name: str) -> float:
    if name in COSTS:
        return _number(getattr(record, name))
    if name == _SECONDS:
        return record.seconds / record.epochs if record.epochs else math.nan
    last: Mapping[str, float | None] = record.metrics.get(record.epochs, {})
    return _number(last.get(name))


def _number(value: Any) -> float:
    """Returns a number, NaN for what is none: a ledger may be of whoever's making."""
    return float(value) if isinstance(value, int | float) else math.nan


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
