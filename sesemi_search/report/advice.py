"""What the ledger of a search shows that the next one should do otherwise, in sentences with their numbers.

A sentence is said where chance would hardly do the same: with noise in place of the metric nearly all ledgers give none
(`docs/reading.md` has the rates). None is about the test split, and none is stored.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesemi_search.formatting import escape_controls, format_metric, format_value
from sesemi_search.metrics import IMAGE_SHARES
from sesemi_search.report.evidence import Evidence, Shares, unit_position
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Origin, TrialRecord
from sesemi_search.space.domains import Choice, Constant, Domain, Float, Int, Node, Options
from sesemi_search.space.space import Dimension, Space
from sesemi_search.space.widening import widen

__all__ = ["Advice", "Kind", "advise"]

Array = NDArray[np.float64]

_CHANCE = 0.02  # of any sentence about the space where there is nothing to it, all tests together
_LIKELY = 0.05  # that one range's end does what another one does
_MIN_COMPLETE = 8  # as for importances
_MIN_TRIALS = 5  # of an option, before it can go
_OUTER, _OUTMOST = 0.2, 0.1  # of a range: where its best trials lie, and where the very best does
_ENOUGH = 0.75  # of the best trials
_IDLE = 0.1  # of the differences between trials, by one that does not matter at most
_SETTLED = 0.02  # of the lead of the best over the middle: what twice the trials brought, of a search that is done
_CONFIDENCE = 0.95
_MOST_IMAGES = 1_000_000
_ROUNDING = 1e-9  # of a share of so many images


class Kind(StrEnum):
    """What an advice is about: a range, an option or a parameter of the space, its trials, or how far a lead tells."""

    widen = "widen"
    drop = "drop"
    fix = "fix"
    trials = "trials"
    noise = "noise"


@dataclass(frozen=True)
class Advice:
    """One sentence.

    Attributes:
        kind: What it is about.
        text: The sentence, with its numbers.
        name: The full name of its parameter; "" where it is about none.
        node: What is to take the parameter's place in the space.
    """

    kind: Kind
    text: str
    name: str = ""
    node: Node | None = None


def advise(records: Iterable[TrialRecord], space: Space, objectives: Objectives) -> list[Advice]:
    """Returns what the trials of a search show, of the space first; empty where they show nothing.

    With several objectives a range is judged by the first, an option or a parameter can go only where it can by each,
    and of a lead nothing is said.

    Args:
        records: The trials, those copied from earlier searches among them.
        space: The space that they are of.
        objectives: What the search optimizes.
    """
    records = list(records)
    by_each = [Evidence.of(records, space, objectives, i) for i in range(len(objectives.each))]
    if by_each[0].is_complete.sum() < _MIN_COMPLETE:
        return []
    return [*_advise_space(by_each, space), *_advise_trials(by_each[0]), *_advise_noise(records, objectives)]


def _advise_space(by_each: Sequence[Evidence], space: Space) -> Iterator[Advice]:
    """Yields at most one advice for each parameter."""
    chance = _CHANCE / max(1, sum(map(_count_tests, space.dimensions)))
    shares = [Shares.measure(evidence, space) for evidence in by_each]
    bounds = _find_bounds(space, by_each[0], chance)
    for dimension in space.dimensions:
        name = escape_controls(space.short_names[dimension.name])
        found = bounds.get(dimension.name) or _find_change(dimension, name, by_each, chance)
        found = found or _find_idle(dimension, name, by_each[0], shares)
        if found is not None:
            yield found


def _count_tests(dimension: Dimension) -> int:
    return len(_options(dimension.domain)) or 2


def _find_change(dimension: Dimension, name: str, by_each: Sequence[Evidence], chance: float) -> Advice | None:
    having = [evidence.having(dimension.name) for evidence in by_each]
    if isinstance(dimension.domain, Float | Int) or having[0].is_complete.sum() < _MIN_COMPLETE:
        return None
    return _find_worse(dimension.name, dimension.domain, name, having, chance)


@dataclass(frozen=True)
class _End:
    """An end of a range at which the best trials lie."""

    name: str
    domain: Float | Int
    upper: bool

    def distance(self, evidence: Evidence) -> Array:
        """Returns how far from the end each trial lies, 0 to 1; NaN where it does not have the parameter."""
        values = evidence.column(self.name)
        places = np.array([math.nan if value is None else unit_position(self.domain, value) for value in values])
        return 1 - places if self.upper else places

    def describe(self, name: str, evidence: Evidence, wider: Float | Int) -> str:
        """Returns what is advised of it."""
        inside = int(((self.distance(evidence) <= _OUTER) & evidence.best).sum())
        side = "upper" if self.upper else "lower"
        return (
            f"{name}: {inside} of the {evidence.best.sum()} best trials lie in the {side} fifth of "
            f"{_describe_range(self.domain)}, the best at "
            f"{format_value(evidence.records[evidence.leader].params[self.name])}: widen it to {_describe_range(wider)}"
        )


def _find_ends(space: Space, evidence: Evidence) -> list[_End]:
    """Returns the ends of ranges at which the best trials lie, by chance or not."""
    ends = []
    for dimension in space.dimensions:
        domain, having = dimension.domain, evidence.having(dimension.name)
        if not isinstance(domain, Float | Int) or domain.low == domain.high:
            continue
        if having.is_complete.sum() < _MIN_COMPLETE:
            continue
        for end in (_End(dimension.name, domain, upper) for upper in (False, True)):
            distance = end.distance(having)
            inside = ((distance <= _OUTER) & having.best).sum() >= _ENOUGH * having.best.sum()
            if inside and distance[having.leader] <= _OUTMOST:
                ends.append(end)
    return ends


def _find_bounds(space: Space, evidence: Evidence, chance: float) -> dict[str, Advice]:
    """Finds the ranges that are to be widened, by the names of their parameters.

    A sampler that goes to the end of one range draws others with it: an end has to tell among trials that are alike in
    lying at another one or not.
    """
    ends, found = _find_ends(space, evidence), dict[str, Advice]()
    for end in ends:
        having, wider = evidence.having(end.name), widen(end.domain, upper=end.upper)
        outer = end.distance(having) <= _OUTER
        others = [other.distance(having) <= _OUTER for other in ends if other is not end]
        is_its_own = all(having.test(outer, [other, ~other]) < _LIKELY for other in others)
        if wider is not None and is_its_own and having.test(outer) < chance:
            name = escape_controls(space.short_names[end.name])
            found[end.name] = Advice(Kind.widen, end.describe(name, having, wider), end.name, wider)
    return found


def _find_worse(
    full_name: str, domain: Choice | Options, name: str, by_each: Sequence[Evidence], chance: float
) -> Advice | None:
    """Finds the options of a choice that are worse than the others."""
    first, values = by_each[0], by_each[0].column(full_name)
    worse, told = [], []
    for option in _options(domain):
        group = np.array([_is_same(value, option) for value in values])
        if group.sum() < _MIN_TRIALS or any((group & each.best).any() for each in by_each):
            continue
        if all(each.test(~group) < chance for each in by_each):
            worse.append(option)
            told.append(f"{format_value(option)} (the best of its {group.sum()} trials: {first.describe_best(group)})")
    kept = [option for option in _options(domain) if not any(_is_same(option, each) for each in worse)]
    if not worse or not kept:
        return None
    others = first.describe_best(np.array([any(_is_same(value, each) for each in kept) for value in values]))
    text = f"{name}: {', '.join(told)} can go; the best of the others: {others}"
    return Advice(Kind.drop, text, full_name, _keep(domain, kept))


def _find_idle(dimension: Dimension, name: str, evidence: Evidence, shares: Sequence[Shares | None]) -> Advice | None:
    """Finds that a parameter matters little, by trials of which the parameters explain a good part."""
    having = evidence.having(dimension.name)
    if not having.is_complete.any():
        return None
    most = 0.0
    for each in shares:
        if each is None or dimension.name not in each.most:
            return None
        most = max(most, each.most[dimension.name])
    if most > _IDLE:
        return None
    value = having.records[having.leader].params[dimension.name]
    num_complete, total = evidence.is_complete.sum(), min(each.total for each in shares if each)
    text = (
        f"{name} explains at most {most:.0%} of the differences between {num_complete} complete trials, all parameters "
        f"{total:.0%}: fix it to {format_value(value)}, as the best has it"
    )
    return Advice(Kind.fix, text, dimension.name, Constant(value))


def _advise_trials(evidence: Evidence) -> Iterator[Advice]:
    """Says whether more trials are likely to help, where the second half of the trials tells."""
    count, metric = len(evidence.records), escape_controls(evidence.objective.name)
    is_late = np.arange(count) >= count // 2
    early = evidence.values[evidence.is_complete & ~is_late]
    if not len(early):
        return
    values = evidence.values[evidence.is_complete]
    gain = values.max() - early.max()
    twice = _gain_of_doubling(values)
    num_late = int(is_late.sum())
    if gain > twice and evidence.test(is_late, [np.ones(count, bool)]) < _CHANCE:
        text = (
            f"more trials are likely to help: the last {num_late} of {count} raised the best {metric} by "
            f"{format_metric(gain)}, and stand above those before them"
        )
        yield Advice(Kind.trials, text)
    elif max(gain, twice) <= _SETTLED * (values.max() - np.median(values)):
        text = (
            f"more trials are not likely to help: the last {num_late} of {count} raised the best {metric} by "
            f"{format_metric(gain)}, and in any order the last half of the {len(values)} complete "
            f"ones would by {format_metric(twice)} on average"
        )
        yield Advice(Kind.trials, text)


def _gain_of_doubling(values: Array) -> float:
    """Returns how much the second half of trials raises the best of the first, on average over all orders of them."""
    ranked = np.sort(values)[::-1]
    num_late = len(ranked) // 2
    gain, all_late = 0.0, 1.0  # the probability that all trials above a gap come late
    for above, gap in enumerate(ranked[:-1] - ranked[1:]):
        all_late *= max(0, num_late - above) / (len(ranked) - above)
        gain += all_late * gap
    return float(gain)


def _advise_noise(records: Sequence[TrialRecord], objectives: Objectives) -> Iterator[Advice]:
    """Holds the lead of the best trial against what the validation images can tell apart."""
    own = [record for record in records if record.origin is not Origin.copied]
    complete = [record for record in own if objectives.is_comparable(record)]
    num_images = _count_images(own)
    if objectives.first.name not in IMAGE_SHARES or objectives.are_several or len(complete) < 2 or num_images is None:
        return
    sign = 1.0 if objectives.first.maximize else -1.0
    best, *others = sorted(complete, key=lambda record: (-sign * _value(record), record.number))
    chance = (1 - _CONFIDENCE) / 2
    leads = {other.number: abs(_value(best) - _value(other)) for other in others}
    near = [o for o in others if leads[o.number] <= _lead_by_chance(best, o, num_images, chance)]
    if not _lead_by_chance(best, others[0], num_images, chance):  # both are always right
        return
    if near:
        second = others[0]
        lead, told = leads[second.number], _points(_lead_by_chance(best, second, num_images, chance))
        first = f"trial {best.number} leads trial {second.number} by {_points(lead)}: less than the {told} that"
        if not lead:
            first = f"trial {best.number} and trial {second.number} are level: nearer than the {told} that"
        yield Advice(
            Kind.noise,
            f"{first} {num_images:,} validation images can tell apart, as with {len(near)} of the {len(others)} other "
            "complete trials",
        )
    baseline = next((other for other in others if other.origin is Origin.baseline), None)
    if baseline is not None:
        # The best was chosen among all: any of them might have been ahead by luck.
        luck = _lead_by_chance(best, baseline, num_images, (1 - _CONFIDENCE) / len(others))
        if leads[baseline.number] <= luck:
            yield Advice(
                Kind.noise,
                f"trial {best.number} leads the experiment's own config (trial {baseline.number}) by "
                f"{_points(leads[baseline.number])}: less than the {_points(luck)} by which the best of {len(others)} "
                f"may lead it by luck on {num_images:,} validation images",
            )


def _lead_by_chance(one: TrialRecord, other: TrialRecord, num_images: int, chance: float) -> float:
    """Returns the lead that one of two equal models passes with a probability of `chance` on images of its own.

    On the same images models err alike, and their lead varies less: this is the most that it can be.
    """
    variance = sum(_value(record) * (1 - _value(record)) for record in (one, other)) / num_images
    return NormalDist().inv_cdf(1 - chance) * math.sqrt(variance)


def _count_images(records: Iterable[TrialRecord]) -> int | None:
    """Returns the number that all values are shares of, from the trials' epochs; None where there is none."""
    count = 1
    for value in {value for record in records for value in record.values.values() if math.isfinite(value)}:
        share = Fraction(value).limit_denominator(_MOST_IMAGES)
        count = math.lcm(count, share.denominator)
        if count > _MOST_IMAGES or abs(float(share) - value) > _ROUNDING:
            return None
    return count if count > 1 else None


def _value(record: TrialRecord) -> float:
    """Returns the value of a complete trial."""
    assert record.value is not None
    return record.value


def _points(difference: float) -> str:
    """Returns a difference of two shares in hundredths: `0.4 points`, `nothing`."""
    points = 100 * difference
    if not points:
        return "nothing"
    return f"{points:.1f} points" if points >= 1 else f"{points:.2g} points"


def _options(domain: Domain) -> Sequence[Any]:
    """Returns what a choice is between; nothing of a range."""
    match domain:
        case Choice():
            return domain.values
        case Options():
            return tuple(domain.nodes)
        case _:
            return ()


def _keep(domain: Choice | Options, kept: Sequence[Any]) -> Choice | Options:
    """Returns a choice between some of its options; it stays one, and its parameters keep their names."""
    if isinstance(domain, Options):
        return Options({name: node for name, node in domain.nodes.items() if name in kept})
    return Choice(tuple(value for value in domain.values if any(_is_same(value, each) for each in kept)))


def _is_same(value: Any, option: Any) -> bool:
    """Whether two values of a choice are one: 1 and True are two."""
    return bool(value == option) and isinstance(value, bool) == isinstance(option, bool)


def _describe_range(domain: Float | Int) -> str:
    return f"[{format_value(domain.low)}, {format_value(domain.high)}]"
