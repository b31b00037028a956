"""Searches by chance over a table, each followed by the confirm of a final run, through the very rule of the package.

A search tries 48 random configs with one seed. Its best four and the first, which is the user's own, are confirmed over
fresh seeds. What a config is worth, its truth, is its mean over all seeds that there could be.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.final_run.tables import Table
from sesemi_search.final.confirm import Candidate, next_runs
from sesemi_search.final.intervals import Interval, Noise
from sesemi_search.final.verdict import judge

__all__ = ["WORLDS", "Row", "Searched", "column", "planted", "replay"]

_NUM_TRIALS, _TOP_K, _NUM_SEEDS = 48, 4, 5
_NUM_NEIGHBOURS = 25  # on each side
_OWN = "own"


@dataclass(frozen=True)
class Searched:
    """A search, and what confirm will see of it.

    Attributes:
        reported: The search's own numbers, (trials,), in points.
        fresh: Scores with fresh seeds, (trials, seeds).
        truth: What each trial's config is worth, (trials,).
        sizes: Sizes of the models, (trials,).
    """

    reported: NDArray[np.float64]
    fresh: NDArray[np.float64]
    truth: NDArray[np.float64]
    sizes: NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """What came of one replay, in points.

    Attributes:
        reported_above: How far the search's number of its best was above that config's truth.
        confirmed_above: How far the confirmed number was above the truth of the config taken.
        gain: How much better the config taken is than the search's best.
        gain_of_two: The same of the best of the same candidates by two fresh seeds.
        covers: Whether the interval of the confirmed number held the truth.
        covers_second: Whether the interval against the other finalist did.
        covers_own: Whether that against the user's own config did; None where this was the other one, or taken.
        covers_plain: Whether Student's interval of all fresh seeds held the truth of the search's best, whom none of
            them chose.
        half: Half the width of the interval of the confirmed number.
        shown: Whether the one taken was shown to be better than the other finalist.
        shown_falsely: ... which it is not.
        trainings: Trainings that confirm took.
        stays: Whether the config taken is the search's best.
    """

    reported_above: float
    confirmed_above: float
    gain: float
    gain_of_two: float
    covers: bool
    covers_second: bool
    covers_own: bool | None
    covers_plain: bool
    half: float
    shown: bool
    shown_falsely: bool
    trainings: int
    stays: bool


def _pick(table: Table, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.choice(len(table.scores), _NUM_TRIALS, replace=False)


def drawn(table: Table, rng: np.random.Generator) -> Searched:
    """A search with one seed of a table; a fresh seed is one of the others, of three seeds any."""
    picked = _pick(table, rng)
    scores = table.scores[picked][:, rng.permutation(table.scores.shape[1])]
    others = scores[:, 1:] if scores.shape[1] > 3 else scores
    fresh = others[:, rng.integers(others.shape[1], size=_NUM_SEEDS)]
    return Searched(scores[:, 0], fresh, others.mean(axis=1), table.sizes[picked])


def borrowed(table: Table, rng: np.random.Generator) -> Searched:
    """A search in which a score is a config's mean and the noise of a config about as good, with the same seed.

    A seed of a table is one of three to five values, again and again. This noise has many, and is as large.
    """
    picked = _pick(table, rng)
    means, num_seeds, by_mean, rank = table.means, table.scores.shape[1], table.by_mean, table.rank
    shift = rng.integers(-_NUM_NEIGHBOURS, _NUM_NEIGHBOURS + 1, size=(_NUM_TRIALS, 1 + _NUM_SEEDS))
    lender = by_mean[np.clip(rank[picked][:, None] + shift, 0, len(by_mean) - 1)]
    noise = table.scores[lender, rng.integers(num_seeds, size=1 + _NUM_SEEDS)] - means[lender]
    scores = means[picked][:, None] + noise * np.sqrt(num_seeds / (num_seeds - 1))
    return Searched(scores[:, 0], scores[:, 1:], means[picked], table.sizes[picked])


WORLDS: dict[str, Callable[[Table, np.random.Generator], Searched]] = {"drawn": drawn, "borrowed": borrowed}


def planted(truths: tuple[float, ...], noise: float) -> Callable[[np.random.Generator], Searched]:
    """Returns searches of so many trials as there are truths, the user's own first, with normal noise in points."""

    def make(rng: np.random.Generator) -> Searched:
        truth = np.array(truths)
        fresh = truth[:, None] + rng.normal(0, noise, (len(truths), _NUM_SEEDS))
        return Searched(truth + 0.0, fresh, truth, rng.permutation(len(truths)))

    return make


def replay(make: Callable[[np.random.Generator], Searched], num: int, seed: int = 0) -> Iterator[Row]:
    """Yields what came of so many searches, each with its confirm."""
    for each in range(num):
        yield _confirm(make(np.random.default_rng([seed, each])))


def _confirm(searched: Searched) -> Row:
    best = int(searched.reported.argmax())
    order = [int(i) for i in np.argsort(-searched.reported, kind="stable") if i]
    trials = {f"trial {i}": i for i in order[:_TOP_K]} | {_OWN: 0}
    candidates = [
        Candidate(name, float(searched.reported[i]), int(searched.sizes[i]), name == _OWN) for name, i in trials.items()
    ]
    results: dict[str, list[float]] = {name: [] for name in trials}
    while due := next_runs(candidates, results, _NUM_SEEDS):
        for name, seed in due:
            results[name].append(float(searched.fresh[trials[name], seed]))
    verdict = judge(candidates, results, num_seeds=_NUM_SEEDS, num_images=None)
    assert verdict.winner is not None and verdict.mean is not None and verdict.interval is not None
    truth = {name: float(searched.truth[i]) for name, i in trials.items()}
    second, *own = verdict.comparisons
    gap = truth[verdict.winner] - truth[second.other]
    by_two = max(trials, key=lambda name: searched.fresh[trials[name], :2].mean())
    return Row(
        reported_above=float(searched.reported[best] - searched.truth[best]),
        confirmed_above=verdict.mean - truth[verdict.winner],
        gain=truth[verdict.winner] - float(searched.truth[best]),
        gain_of_two=truth[by_two] - float(searched.truth[best]),
        covers=_holds(verdict.interval, truth[verdict.winner]),
        covers_second=_holds(second.interval, gap),
        covers_own=_holds(own[0].interval, truth[verdict.winner] - truth[_OWN]) if own else None,
        covers_plain=_holds(_student(searched.fresh[best]), float(searched.truth[best])),
        half=(verdict.interval.high - verdict.interval.low) / 2,
        shown=not second.is_tie,
        shown_falsely=not second.is_tie and gap <= 0,
        trainings=sum(map(len, results.values())),
        stays=trials[verdict.winner] == best,
    )


def _student(scores: NDArray[np.float64]) -> Interval:
    return Noise.of(scores[None]).interval(float(scores.mean()), len(scores), 0.9)


def _holds(interval: Interval, value: float) -> bool:
    return interval.low - 1e-9 <= value <= interval.high + 1e-9


def column(rows: list[Row], name: str) -> NDArray[np.float64]:
    """Returns one attribute of all rows, without those that have none."""
    values: list[Any] = [getattr(row, name) for row in rows]
    return np.array([value for value in values if value is not None], dtype=float)
