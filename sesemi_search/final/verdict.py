"""What the runs of confirm say in numbers: which config is taken, how good it is, what is not known.

The two finalists are compared over all their seeds, and the better one is taken, or the smaller one where it is less
than a standard error behind (Breiman et al. 1984). Its number comes from the seeds that chose no finalist, and of these
each scores what the other seeds would have taken: none measures what it helped to choose. The two are told apart by the
same seeds. An interval is over seeds, on the validation images that there are; how far off these alone may be is a
number of its own. The words are in `verdict_words.py`.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sesemi_search.final.confirm import Candidate, Results, Standing, score_table, stand
from sesemi_search.final.intervals import Interval, Noise
from sesemi_search.final.verdict_words import describe_verdict

__all__ = ["Comparison", "Score", "Verdict", "judge"]

_LEVEL = 0.9  # of the intervals
_ALPHA = 0.05  # how often, at most, a verdict shows a difference that is not there
_WITHIN = 1.0  # standard errors that a smaller model may be behind
_SMALLER = 0.9  # of the other's parameters, at most, make a model a smaller one


@dataclass(frozen=True)
class Score:
    """How a candidate did.

    Attributes:
        name: The candidate.
        num_params: Parameters of its model, None where not known.
        mean: Mean over `num_seeds` seeds: of those that stayed to the end the seeds that chose no finalist, of the rest
            all that they had. None of one that failed.
        std: Standard deviation over all its seeds; None of one seed.
        num_seeds: Seeds that the mean is of.
        interval: 90% interval of the mean, of one that stayed to the end.
        is_failed: Whether one of its runs diverged or failed.
    """

    name: str
    num_params: int | None
    mean: float | None
    std: float | None
    num_seeds: int
    interval: Interval | None
    is_failed: bool


@dataclass(frozen=True)
class Comparison:
    """The config that is taken against another one, over the same seeds.

    Attributes:
        other: The other candidate.
        difference: How much better the one taken is, in the unit of the score.
        interval: 90% interval of the difference.
        p_value: How often luck alone makes so large a difference, either way, in [0, 1], after Holm's correction.
        is_tie: Whether the one taken is not shown to be better.
    """

    other: str
    difference: float
    interval: Interval
    p_value: float
    is_tie: bool


@dataclass(frozen=True)
class Verdict:
    """Which config is taken, and what is known of it.

    Attributes:
        metric: What the scores are.
        winner: Name of the candidate that is taken, None where every one failed.
        mean: The score to expect of it with another seed, corrected for its having been chosen.
        interval: 90% interval of that.
        is_smaller: Whether it was taken for being smaller, though the other finalist did better.
        num_seeds: Seeds that the mean and the comparisons are of.
        num_images: Validation images; None where the score is no share of them.
        scores: How each candidate did, in the order in which they were given.
        comparisons: With the other finalist, then with the experiment's own config where that is another one.
        reported: The search's own number for it, None where there is none.
        optimism: How much better that number was than the mean.
        image_share: Share of the mean's variance that comes from the number of images, in [0, 1].
    """

    metric: str
    winner: str | None
    mean: float | None
    interval: Interval | None
    is_smaller: bool
    num_seeds: int
    num_images: int | None
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    reported: float | None
    optimism: float | None
    image_share: float | None

    def as_dict(self) -> dict[str, Any]:
        """Returns it as JSON takes it."""
        return asdict(self)

    def sentences(self) -> list[str]:
        """Returns what it says, in words."""
        return describe_verdict(self)


def judge(
    candidates: Sequence[Candidate],
    results: Results,
    *,
    num_seeds: int,
    num_images: int | None,
    higher_is_better: bool = True,
    metric: str = "score",
) -> Verdict:
    """Judges a confirm whose rounds are over: `next_runs` has none for the same arguments.

    Args:
        candidates: All of them, the search's best first.
        results: Their scores.
        num_seeds: Seeds of the last two, at least 2.
        num_images: Validation images, where a score is the share of them that are right; else None.
        higher_is_better: Whether a higher score is a better one.
        metric: What a score is, for the words.
    """
    standing = stand(candidates, results, num_seeds, higher_is_better)
    assert not standing.due, "confirm is not over"
    last = [*standing.finalists, *standing.others]
    scores = tuple(_score(candidate, results, standing) for candidate in candidates)
    fresh = num_seeds - standing.num_choosing
    if not last:
        return Verdict(metric, None, None, None, False, fresh, num_images, scores, (), None, None, None)
    sign = 1 if higher_is_better else -1
    table = score_table(last, results, num_seeds, higher_is_better)
    choice = _Choice.make(table[: len(standing.finalists)], standing)
    noise = Noise.of(choice.scores)
    low, high = sorted(sign * end for end in noise.interval(choice.mean, fresh, _LEVEL))
    taken = last[choice.winner]
    return Verdict(
        metric=metric,
        winner=taken.name,
        mean=sign * choice.mean,
        interval=Interval(low, high),
        is_smaller=choice.is_smaller,
        num_seeds=fresh,
        num_images=num_images,
        scores=scores,
        comparisons=_compare(last, table, choice, num_images),
        reported=taken.reported,
        optimism=None if taken.reported is None else sign * taken.reported - choice.mean,
        image_share=None if num_images is None else _image_share(choice.mean, num_images, noise.error(fresh)),
    )


def _score(candidate: Candidate, results: Results, standing: Standing) -> Score:
    """Returns how a candidate did."""
    is_failed, is_last = candidate in standing.failed, candidate in [*standing.finalists, *standing.others]
    done = np.array([score for score in results.get(candidate.name, ()) if score is not None], dtype=float)
    noise, fresh = Noise.of(done[None]), done[standing.num_choosing if is_last else 0 :]
    mean = float(fresh.mean()) if len(fresh) and not is_failed else None
    return Score(
        name=candidate.name,
        num_params=candidate.num_params,
        mean=mean,
        std=None if is_failed or len(done) < 2 else math.sqrt(noise.variance),
        num_seeds=len(fresh),
        interval=noise.interval(mean, len(fresh), _LEVEL) if is_last and mean is not None else None,
        is_failed=is_failed,
    )


@dataclass(frozen=True)
class _Choice:
    """Which of the finalists is taken.

    Attributes:
        scores: Their scores (finalists, seeds), higher is better.
        first: The first seed that chose no finalist.
        winner: The row that is taken.
        is_smaller: Whether the other row has the higher mean.
        mean: The winner's score to expect, by the seeds that did not choose.
    """

    scores: NDArray[np.float64]
    first: int
    winner: int
    is_smaller: bool
    mean: float

    @classmethod
    def make(cls, scores: NDArray[np.float64], standing: Standing) -> "_Choice":
        """Takes one of the finalists."""
        sizes = [candidate.num_params for candidate in standing.finalists]
        first = standing.num_choosing
        winner = _take(scores, scores, sizes)
        seeds = range(first, scores.shape[1])
        fresh = [scores[_take(np.delete(scores, seed, axis=1), scores, sizes), seed] for seed in seeds]
        is_behind = bool(scores[winner].mean() < scores.mean(axis=1).max())
        return cls(scores, first, winner, is_behind, float(np.mean(fresh)))


def _take(scores: NDArray[np.float64], all_scores: NDArray[np.float64], sizes: Sequence[int | None]) -> int:
    """Returns the row of the finalists' scores that is taken, by the noise in all their scores."""
    if len(scores) == 1:
        return 0
    lead = float((scores[0] - scores[1]).mean())
    smaller = _smaller(*sizes)
    if smaller is None:
        return int(lead < 0)
    behind = lead if smaller else -lead
    error = Noise.of(all_scores[:1] - all_scores[1:]).error(scores.shape[1])
    return smaller if behind <= _WITHIN * error else 1 - smaller


def _smaller(first: int | None, second: int | None) -> int | None:
    """Returns the place of the smaller of two models, None where they are about as large or it is not known."""
    if first is None or second is None or min(first, second) > _SMALLER * max(first, second):
        return None
    return int(second < first)


def _compare(
    last: Sequence[Candidate], table: NDArray[np.float64], choice: _Choice, num_images: int | None
) -> tuple[Comparison, ...]:
    """Compares the one taken with each other one of the last (Holm 1979)."""
    # Shares are of whole images, and two seeds may differ by as many though the truth does not: the difference of two
    # rounded numbers has a variance of 2/12 of a step squared.
    rounding = 0.0 if num_images is None else 1 / (6 * num_images**2)
    others = [row for row in range(len(last)) if row != choice.winner]
    fresh = table[:, choice.first :].mean(axis=1)
    num_seeds = table.shape[1] - choice.first
    found = {}
    for row in others:
        is_finalist = row < len(choice.scores)
        # Of two finalists the sign alone is chosen, and an interval covers either way; the mean would not be of both.
        gap = float((fresh[choice.winner] if is_finalist else choice.mean) - fresh[row])
        noise = Noise.of((table[choice.winner] - table[row])[None]).plus(rounding)
        found[row] = gap, noise.interval(gap, num_seeds, _LEVEL), noise.p_value(gap, num_seeds)
    corrected = _holm([p_value for _, _, p_value in found.values()])
    return tuple(
        Comparison(last[row].name, gap, interval, p_value, not (gap > 0 and p_value < _ALPHA))
        for (row, (gap, interval, _)), p_value in zip(found.items(), corrected, strict=True)
    )


def _holm(p_values: Sequence[float]) -> list[float]:
    """Returns the p-values corrected for their number (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def _image_share(mean: float, num_images: int, error: float) -> float | None:
    """Returns what the images add to a mean's variance beside the seeds, as answers drawn one by one would."""
    images = mean * (1 - mean) / num_images
    total = images + error**2
    return images / total if total > 0 else None
