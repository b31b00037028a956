"""What the runs of confirm say, in numbers and in words: who is taken, how good it is, and what is not known.

The finalists' numbers come from the seeds that did not choose them. An interval is over seeds, on the validation images
that there are; how far these images alone could be off is said beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sesemi_search.final.confirm import Candidate, Results, has_failed, score_table, stand
from sesemi_search.final.intervals import Interval, TwoWay

__all__ = ["Comparison", "Score", "Verdict", "judge"]

_LEVEL = 0.9  # of intervals, so that a difference is shown where it lies above zero: by luck in one of twenty


@dataclass(frozen=True)
class Score:
    """How good a candidate is.

    Attributes:
        name: The candidate.
        mean: Mean over the seeds that did not choose; of one that went before, over all that it had. NaN if it failed.
        std: Standard deviation over all its seeds; NaN of one seed.
        num_seeds: Seeds that the mean is of.
        interval: The 90% interval of the mean; None of one that went before or failed.
        is_failed: Whether one of its runs diverged or failed.
    """

    name: str
    mean: float
    std: float
    num_seeds: int
    interval: Interval | None
    is_failed: bool


@dataclass(frozen=True)
class Comparison:
    """The winner against another candidate, over the same seeds.

    Attributes:
        other: The other candidate.
        difference: How much better the winner's mean is; below zero where it is worse.
        interval: Its 90% interval.
        p_value: How often luck alone would make as large a difference, in [0, 1], after Holm's correction.
        is_tie: Whether the winner is not shown to be better.
    """

    other: str
    difference: float
    interval: Interval
    p_value: float
    is_tie: bool


@dataclass(frozen=True)
class Verdict:
    """Who is taken and what is known of it.

    Attributes:
        winner: Name of the candidate, None where every one failed.
        is_smaller: Whether it was taken for being smaller than one that it is not shown to be better than.
        scores: Every candidate, as given.
        comparisons: With the other finalist and with the experiment's own config.
        optimism: How much better the search's own number was than the confirmed one; None where there is none.
        image_share: Share of the winner's uncertainty that comes from the number of validation images, in [0, 1]; None
            where it is not known.
    """

    winner: str | None
    is_smaller: bool
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    optimism: float | None
    image_share: float | None

    def as_dict(self) -> dict[str, Any]:
        """Returns it as JSON takes it, but for NaN."""
        return asdict(self)

    def sentences(self) -> list[str]:
        """Returns what it says, in words."""
        return [f"{self.winner} is taken"]


def judge(
    candidates: Sequence[Candidate],
    results: Results,
    *,
    num_seeds: int,
    num_images: int | None,
    higher_is_better: bool = True,
) -> Verdict:
    """Judges a confirm whose rounds are over (`next_runs` has none).

    Args:
        candidates: All of them, the search's best first.
        results: Their scores.
        num_seeds: Seeds of the last two, at least 2.
        num_images: Validation images, where the score is a share of those that are right; else None.
        higher_is_better: Whether a higher score is a better one.
    """
    standing = stand(candidates, results, num_seeds, higher_is_better)
    assert not standing.due, "confirm is not over"
    able = [c for c in candidates if not has_failed(results[c.name])]
    last = [*standing.finalists, *(c for c in able if c.is_baseline and c not in standing.finalists)]
    fresh = num_seeds - standing.num_chosen_by
    sign = 1 if higher_is_better else -1
    scores = {c.name: _early_score(c, results) for c in candidates}
    if not last:
        return Verdict(None, False, tuple(scores.values()), (), None, None)
    table = TwoWay(score_table(last, results, range(num_seeds), higher_is_better))
    means = table.scores[:, standing.num_chosen_by :].mean(axis=1)
    for candidate, mean in zip(last, means, strict=True):
        low, high = sorted(sign * end for end in table.mean_interval(float(mean), fresh, _LEVEL))
        std = scores[candidate.name].std
        scores[candidate.name] = Score(candidate.name, sign * float(mean), std, fresh, Interval(low, high), False)
    winner, is_smaller = 0, False
    if len(standing.finalists) > 1:
        gap = float(means[0] - means[1])
        if table.p_value(-gap, fresh) < 1 - (1 + _LEVEL) / 2:
            winner = 1
        elif table.p_value(gap, fresh) >= 1 - (1 + _LEVEL) / 2:
            is_smaller = _size(last[1]) != _size(last[0])
            winner = int(_size(last[1]) < _size(last[0]))
    comparisons = _compare(last, means, winner, table, fresh)
    taken = last[winner]
    mean = scores[taken.name].mean
    return Verdict(
        winner=taken.name,
        is_smaller=is_smaller,
        scores=tuple(scores.values()),
        comparisons=comparisons,
        optimism=None if taken.reported is None else sign * (taken.reported - mean),
        image_share=None if num_images is None else _image_share(mean, num_images, table.run_variance / fresh),
    )


def _early_score(candidate: Candidate, results: Results) -> Score:
    """Returns what is known of a candidate without the others."""
    done = np.array([score for score in results.get(candidate.name, ()) if score is not None], dtype=float)
    std = float(done.std(ddof=1)) if len(done) > 1 else math.nan
    mean = float(done.mean()) if len(done) else math.nan
    return Score(candidate.name, mean, std, len(done), None, has_failed(list(done)))


def _size(candidate: Candidate) -> float:
    return math.inf if candidate.num_params is None else candidate.num_params


def _compare(last: Sequence[Candidate], means: Any, winner: int, table: TwoWay, fresh: int) -> tuple[Comparison, ...]:
    """Compares the winner with each other of the last, with Holm's correction (Holm 1979)."""
    others = [i for i in range(len(last)) if i != winner]
    gaps = {i: float(means[winner] - means[i]) for i in others}
    p_values: dict[int, float] = {}
    largest = 0.0
    for rank, i in enumerate(sorted(others, key=lambda i: -gaps[i])):
        largest = max(largest, min(1.0, (len(others) - rank) * table.p_value(gaps[i], fresh)))
        p_values[i] = largest
    return tuple(
        Comparison(
            last[i].name,
            gaps[i],
            table.difference_interval(gaps[i], fresh, _LEVEL),
            p_values[i],
            p_values[i] >= 1 - (1 + _LEVEL) / 2,
        )
        for i in others
    )


def _image_share(mean: float, num_images: int, seed_variance: float) -> float | None:
    """Returns the share of the variance of a mean that the images' number makes, as of answers drawn one by one."""
    images = mean * (1 - mean) / num_images
    total = images + seed_variance
    return images / total if total > 0 else None
