"""What the trials of a search show of its parameters: ranks, and tests of them that noise alone seldom passes.

A trial's standing is its value where it ran in full; what was stopped, diverged or ran out of memory stands behind all
of those, in no order. Trials that were stopped are compared once more, after the epoch that all of them reached. Tests
compare trials that were near in time, since a sampler gets better at all parameters as it goes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesemi_search.formatting import format_metric
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome, TrialRecord
from sesemi_search.space.domains import Float, Int
from sesemi_search.space.points import Outside, complete_point
from sesemi_search.space.space import Dimension, Space

__all__ = ["Evidence", "Shares", "standing_test", "unit_position"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# What a sampler learns from. An error says nothing of a config, and a duplicate is another trial's.
_TOLD = (
    *(Outcome.complete, Outcome.stopped, Outcome.diverged),
    *(Outcome.out_of_memory, Outcome.timed_out, Outcome.infeasible),
)
_BLOCK = 16  # trials that are near in time
_CONFIDENCE = 0.95
_EXPLAINED = 0.5  # of the differences between trials, by all parameters at least


@dataclass(frozen=True)
class Evidence:
    """The trials of a search that say something, in the order in which they began.

    Attributes:
        records: The trials.
        objective: The metric that they are compared by.
        values: Its value of each that is complete, more being better; NaN of the others.
        early: The standing of each after the epoch that all reached which ended well or were stopped; of an objective
            that is not told epoch by epoch, at its end.
    """

    records: Sequence[TrialRecord]
    objective: Objective
    values: Array
    early: Array

    @classmethod
    def of(cls, records: Iterable[TrialRecord], space: Space, objectives: Objectives, index: int = 0) -> "Evidence":
        """Takes what trials of a space say by one of the objectives."""
        objective = objectives.each[index]
        told = [record for record in records if record.outcome in _TOLD and _fits(space, record)]
        sign = 1.0 if objective.maximize else -1.0
        values = [sign * objectives.values(r)[index] if objectives.is_comparable(r) else math.nan for r in told]
        epoch = min((r.epochs for r in told if r.outcome in (Outcome.complete, Outcome.stopped)), default=0)
        early = values if index else [sign * r.values.get(epoch, math.nan) for r in told]
        return cls(told, objective, np.array(values, float), _standing(early))

    @property
    def is_complete(self) -> Mask:
        """Which trials ran in full."""
        complete: Mask = np.isfinite(self.values)
        return complete

    @cached_property
    def final(self) -> Array:
        """The standing of each trial at its end."""
        return _standing(self.values)

    @cached_property
    def best(self) -> Mask:
        """Which trials are the best sixth of the complete ones, three at least."""
        count = max(3, math.ceil(self.is_complete.sum() / 6))
        bar = np.sort(self.values[self.is_complete])[-count:].min(initial=math.inf)
        best: Mask = self.final >= bar
        return best

    @cached_property
    def leader(self) -> int:
        """The place of the best trial among them, where one is complete."""
        return int(np.argmax(self.final))

    def having(self, name: str) -> "Evidence":
        """Returns the evidence of the trials that have a parameter."""
        kept = [i for i, record in enumerate(self.records) if name in record.params]
        return Evidence([self.records[i] for i in kept], self.objective, self.values[kept], self.early[kept])

    def describe_best(self, group: Mask) -> str:
        """Returns the best value of some of the trials, in words where none is complete."""
        best = self.final[group].max() * (1 if self.objective.maximize else -1)
        return format_metric(best) if math.isfinite(best) else "none complete"

    def exists(self, name: str) -> Array:
        """Returns which trials have a parameter, (N,); its value may be null."""
        return np.array([name in record.params for record in self.records], dtype=bool)

    def column(self, name: str) -> list[Any]:
        """Returns the value of a parameter in each trial, None where it does not exist."""
        return [record.params.get(name) for record in self.records]

    def test(self, group: Mask, strata: Sequence[Mask] = ()) -> float:
        """Returns how likely it is by chance that the trials of a group stand so much above the others.

        Args:
            group: (N,) which are of the group.
            strata: Trials that are compared with each other; by default neighbours in time.
        """
        order = np.arange(len(group))
        count = max(1, len(group) // _BLOCK)
        near = strata or [order * count // len(group) == i for i in range(count)]
        return min(1.0, 2 * min(standing_test(each, group, near) for each in (self.final, self.early)))


def _standing(values: Sequence[float] | Array) -> Array:
    """Returns values to be ranked by; behind them all stands what has none."""
    numbers = np.array(values, float)
    standing: Array = np.where(np.isfinite(numbers), numbers, -np.inf)
    return standing


def _fits(space: Space, record: TrialRecord) -> bool:
    """Whether a trial is one of the space: a ledger may be of whoever's making."""
    try:
        complete_point(space, record.params)
    except Outside:
        return False
    return True


def unit_position(domain: Float | Int, value: float) -> float:
    """Returns where a value lies in its range: 0 at the lower end, 1 at the upper one."""
    if domain.log:
        return math.log(value / domain.low) / math.log(domain.high / domain.low)
    return (value - domain.low) / (domain.high - domain.low)


def standing_test(standing: Array, group: Mask, strata: Sequence[Mask]) -> float:
    """Returns the probability, were there nothing to it, that a group stands as high as it does.

    It is the one-sided test of Mann and Whitney with ties, its statistic added up over strata (van Elteren
    1960).

    Args:
        standing: (N,) what the trials are ranked by, more being better.
        group: (N,) which are of the group.
        strata: (N,) each, which trials are compared with each other.
    """
    excess = variance = 0.0
    for near in strata:
        n, m = int(near.sum()), int(group[near].sum())
        if 0 < m < n:
            _, places, counts = np.unique(standing[near], return_inverse=True, return_counts=True)
            ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
            weight = 1 / (n + 1)
            excess += weight * (ranks[group[near]].sum() - m * (n + 1) / 2)
            variance += weight**2 * m * (n - m) / 12 * (n + 1 - (counts**3 - counts).sum() / (n * (n - 1)))
    return NormalDist().cdf(-excess / math.sqrt(variance)) if variance else 1.0


@dataclass(frozen=True)
class Shares:
    """How much of the differences between complete trials the parameters explain, each by itself.

    Attributes:
        total: What all of them explain, 0 to 1, less what as many would explain by chance.
        most: What each may explain at most, with 95% confidence, by full name.
    """

    total: float
    most: Mapping[str, float]

    @classmethod
    def measure(cls, evidence: Evidence, space: Space) -> "Shares | None":
        """Fits the ranks of the complete trials by the parameters, numbers by a parabola.

        None of too few trials, and where all parameters together explain less than half.

        What a parameter does together with another one is left to the rest.
        """
        complete = evidence.is_complete
        ranks = np.argsort(np.argsort(evidence.values[complete])).astype(float)
        blocks = {
            each.name: block[complete]
            for each in space.dimensions
            if (block := _design(each, evidence.column(each.name), evidence.exists(each.name))) is not None
        }
        everything = np.hstack([np.ones((len(ranks), 1)), *blocks.values()])
        freedom = len(ranks) - np.linalg.matrix_rank(everything)
        if freedom < 2 * everything.shape[1]:
            return None
        rest, whole = _residual(everything, ranks), _residual(everything[:, :1], ranks)
        total = 1 - rest / freedom / (whole / (len(ranks) - 1)) if whole else 0.0
        if total < _EXPLAINED or not rest:
            return None
        from scipy.special import fdtri, ncfdtrinc  # which takes a fifth of a second to import

        most = {}
        for name in blocks:
            without = np.hstack([np.ones((len(ranks), 1)), *(b for n, b in blocks.items() if n != name)])
            width = np.linalg.matrix_rank(everything) - np.linalg.matrix_rank(without)
            if width:
                ratio = (_residual(without, ranks) - rest) / width / (rest / freedom)
                # No smaller than what chance alone gives every other time: a lucky fit proves nothing.
                ratio = max(ratio, float(fdtri(width, freedom, 0.5)))
                noncentral = float(ncfdtrinc(width, freedom, 1 - _CONFIDENCE, ratio))
                most[name] = noncentral / (noncentral + freedom) * _residual(without, ranks) / whole
        return cls(total, most)


def _design(dimension: Dimension, values: Sequence[Any], exists: Array) -> Array | None:
    """Returns the columns of a parameter, (N, C), 0 where it does not exist; None where it is the same for all."""
    domain = dimension.domain
    if isinstance(domain, Float | Int):
        if domain.low == domain.high or not exists.any():
            return None
        pairs = zip(values, exists, strict=True)
        places = np.array([unit_position(domain, v) if there else 0.5 for v, there in pairs]) - 0.5
        return np.stack([places, np.where(exists, places**2 - 1 / 12, 0)], axis=1)
    codes = [repr(value) for value in values]
    levels = sorted({code for code, there in zip(codes, exists, strict=True) if there})[1:]
    return np.array([[code == level for level in levels] for code in codes], float) if levels else None


def _residual(columns: Array, ranks: Array) -> float:
    """Returns the sum of squares that columns leave of the ranks."""
    fit = columns @ np.linalg.lstsq(columns, ranks, rcond=None)[0]
    return float(((ranks - fit) ** 2).sum())
