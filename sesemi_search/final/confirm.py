"""Which configs are trained again, over which seeds, before one of them is taken: the rounds of a final run.

The best of a search is best by luck too: its number came from one seed, and was chosen for being high. So a few
candidates are trained anew over fresh seeds that all share. The first of these seeds choose two finalists, in rounds
after each of which the clearly worse go; the rest tell the two apart and measure (`verdict.py`). The experiment's own
config stays to the end, as what is to be beaten.

All of it follows from the candidates and their scores so far, which is how a final run that was cut off goes on.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from sesemi_search.final.intervals import residuals

__all__ = ["MIN_SEEDS", "Candidate", "Results", "Standing", "next_runs", "num_runs_at_most", "score_table", "stand"]

MIN_SEEDS = 2  # one that chooses, one that does not
_NUM_FINALISTS = 2
_FIRST_ROUND = 2  # seeds; of one there is no telling what is clear
_CLEAR = 0.05  # how often luck alone makes a gap that counts as clear

Results = Mapping[str, Sequence[float | None]]
"""By candidate its score with seed 0, 1, 2, ... of the seeds that all share: NaN where training diverged or failed for
good, None where it is not over."""


@dataclass(frozen=True)
class Candidate:
    """A config that may be taken.

    Attributes:
        name: What it is called, `trial 17` or `your config`; no two have the same.
        reported: The search's own number for it, None where there is none that compares.
        num_params: Parameters of its model, None where not known.
        is_baseline: Whether it is the experiment's own config.
    """

    name: str
    reported: float | None
    num_params: int | None
    is_baseline: bool


@dataclass(frozen=True)
class Standing:
    """How far the rounds are.

    Attributes:
        due: Runs of the present round that are not done: candidate and seed.
        num_choosing: Seeds, from seed 0 on, that choose the finalists; 0 where there are no more than two.
        finalists: The last two; fewer where fewer can be trained, none while the rounds go on.
        others: The experiment's own config where it is no finalist and can be trained.
        failed: Candidates with a run that diverged or failed for good.
    """

    due: list[tuple[str, int]]
    num_choosing: int
    finalists: list[Candidate]
    others: list[Candidate]
    failed: list[Candidate]


def next_runs(
    candidates: Sequence[Candidate], results: Results, num_seeds: int, higher_is_better: bool = True
) -> list[tuple[str, int]]:
    """Returns the runs of the present round that are not done, as candidate and seed; none once confirm is over.

    A candidate that failed with any seed is out, and the rounds go on as if it had not been there.

    Args:
        candidates: All of them, the search's best first.
        results: Scores so far.
        num_seeds: Seeds of the last two, at least 2.
        higher_is_better: Whether a higher score is a better one.
    """
    return stand(candidates, results, num_seeds, higher_is_better).due


def num_runs_at_most(candidates: Sequence[Candidate], num_seeds: int) -> int:
    """Returns the most runs that confirm takes while none fails."""
    num_choosing = _num_choosing(num_seeds)
    last = min(len(candidates), _NUM_FINALISTS + any(candidate.is_baseline for candidate in candidates))
    return len(candidates) * num_choosing + last * (num_seeds - num_choosing)


def stand(candidates: Sequence[Candidate], results: Results, num_seeds: int, higher_is_better: bool = True) -> Standing:
    """Returns how far the rounds are. The arguments are those of `next_runs`."""
    failed = [candidate for candidate in candidates if _has_failed(results.get(candidate.name, ()))]
    field = able = [candidate for candidate in candidates if candidate not in failed]
    num_choosing, most = 0, _num_choosing(num_seeds)
    while len(field) > _NUM_FINALISTS:
        num_choosing = max(num_choosing + 1, min(_FIRST_ROUND, most))
        if due := _due(field, results, num_choosing):
            return Standing(due, num_choosing, [], [], failed)
        table = score_table(field, results, num_choosing, higher_is_better)
        field = [field[i] for i in _stay(table, is_last=num_choosing == most)]
    others = [candidate for candidate in able if candidate.is_baseline and candidate not in field]
    return Standing(_due([*field, *others], results, num_seeds), num_choosing, field, others, failed)


def score_table(
    candidates: Sequence[Candidate], results: Results, num_seeds: int, higher_is_better: bool
) -> NDArray[np.float64]:
    """Returns the scores (candidates, seeds), turned so that a higher one is better."""
    rows = [results[candidate.name][:num_seeds] for candidate in candidates]
    table = np.array(rows, dtype=float).reshape(len(rows), num_seeds)
    return table if higher_is_better else -table


def _num_choosing(num_seeds: int) -> int:
    """Returns how many seeds choose at most."""
    if num_seeds < MIN_SEEDS:
        raise ValueError(f"{num_seeds=}; at least {MIN_SEEDS}: a seed that chose measures too high.")
    return num_seeds // 2


def _has_failed(scores: Sequence[float | None]) -> bool:
    return any(score is not None and not math.isfinite(score) for score in scores)


def _due(field: Sequence[Candidate], results: Results, num_seeds: int) -> list[tuple[str, int]]:
    """Returns the runs that are missing, seed by seed, so that whatever cuts them off leaves whole seeds."""
    scores = {candidate.name: results.get(candidate.name, ()) for candidate in field}
    return [
        (name, seed)
        for seed in range(num_seeds)
        for name, done in scores.items()
        if seed >= len(done) or done[seed] is None
    ]


def _stay(scores: NDArray[np.float64], is_last: bool) -> list[int]:
    """Returns the rows of scores (three or more, seeds) that stay, the best first: two or more, at last two."""
    means = scores.mean(axis=1)
    order: list[int] = np.argsort(-means, kind="stable").tolist()
    if is_last:
        return order[:_NUM_FINALISTS]
    freedom = (scores.shape[0] - 1) * (scores.shape[1] - 1)
    error = math.sqrt(2 * (residuals(scores) ** 2).sum() / freedom / scores.shape[1])
    lag = (means[order[0]] - means) / error if error else np.where(means < means[order[0]], np.inf, 0.0)
    return [i for rank, i in enumerate(order) if rank < _NUM_FINALISTS or stdtr(freedom, -lag[i]) >= _CLEAR]
