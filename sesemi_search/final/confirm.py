"""Which configs are trained again, over which seeds, before one of them is taken: the rounds of a final run.

The best of a search is best by luck too: its number came from one seed, and was chosen for being high. So a few
candidates are trained anew over fresh seeds that all share. The first half of these seeds chooses two finalists, in
rounds after each of which the clearly worse go; the other half chooses nobody and measures (`verdict.py`), or the
measured number would be high by luck again. The experiment's own config stays to the end, as what is to be beaten.

Everything here follows from the candidates and the scores so far, which is how a final run that was cut off goes on.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sesemi_search.final.intervals import TwoWay

__all__ = [
    "MIN_SEEDS",
    "Candidate",
    "Results",
    "Standing",
    "next_runs",
    "num_choosing_seeds",
    "num_runs_at_most",
    "stand",
]

MIN_SEEDS = 2  # one that chooses, one that does not
_NUM_FINALISTS = 2
_FIRST_ROUND = 2  # seeds: with one there is no telling what is clear
_CLEAR = 0.05  # a candidate goes where as large a gap came of luck in fewer cases than this

Results = Mapping[str, Sequence[float | None]]
"""By candidate its score with seed 0, 1, 2, ..., of the seeds that all share: NaN where training diverged or failed for
good, None where it is not over."""


@dataclass(frozen=True)
class Candidate:
    """A config that may be taken.

    Attributes:
        name: What it is called: `trial 17` or `your config`; no two have the same.
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
        finalists: The last two, the leader first, fewer where fewer candidates train; empty while the rounds go on.
        num_chosen_by: Seeds, from seed 0 on, that chose the finalists or are to choose in the present round.
        due: Runs of the present round that are not done: candidate and seed.
    """

    finalists: tuple[Candidate, ...]
    num_chosen_by: int
    due: list[tuple[str, int]]


def num_choosing_seeds(num_seeds: int) -> int:
    """Returns how many of the seeds choose at most; the others measure. `num_seeds` is at least 2."""
    if num_seeds < MIN_SEEDS:
        raise ValueError(f"{num_seeds=}; at least {MIN_SEEDS}: a seed that chose measures too high.")
    return num_seeds // 2


def next_runs(
    candidates: Sequence[Candidate], results: Results, num_seeds: int, higher_is_better: bool = True
) -> list[tuple[str, int]]:
    """Returns the runs of the present round that are not done, as candidate and seed; none once confirm is over.

    A candidate that failed with any seed is out, and the rounds are as if it had not been there.

    Args:
        candidates: All of them, the search's best first.
        results: Scores so far; other candidates' are passed over.
        num_seeds: Seeds of the last two, at least 2.
        higher_is_better: Whether a higher score is a better one.
    """
    return stand(candidates, results, num_seeds, higher_is_better).due


def num_runs_at_most(candidates: Sequence[Candidate], num_seeds: int) -> int:
    """Returns the most runs that confirm takes while none fails."""
    num_choosing = num_choosing_seeds(num_seeds)
    last = _NUM_FINALISTS + any(candidate.is_baseline for candidate in candidates)
    return len(candidates) * num_choosing + min(last, len(candidates)) * (num_seeds - num_choosing)


def stand(candidates: Sequence[Candidate], results: Results, num_seeds: int, higher_is_better: bool = True) -> Standing:
    """Returns how far the rounds are. The arguments are those of `next_runs`."""
    most = num_choosing_seeds(num_seeds)
    able = [candidate for candidate in candidates if not has_failed(results.get(candidate.name, ()))]
    field = able
    for num_chosen_by in range(min(_FIRST_ROUND, most), most + 1):
        if due := _due(field, results, num_chosen_by):
            return Standing((), num_chosen_by, due)
        ranked = _ranked(field, results, num_chosen_by, higher_is_better)
        field = [*ranked[:_NUM_FINALISTS], *_not_clearly_worse(ranked, results, num_chosen_by, higher_is_better)]
        if len(field) <= _NUM_FINALISTS:
            break
    finalists = ranked[:_NUM_FINALISTS]
    last = [candidate for candidate in able if candidate in finalists or candidate.is_baseline]
    return Standing(tuple(finalists), num_chosen_by, _due(last, results, num_seeds))


def has_failed(scores: Sequence[float | None]) -> bool:
    """Whether a run of a candidate diverged or failed for good."""
    return any(score is not None and math.isnan(score) for score in scores)


def score_table(
    candidates: Sequence[Candidate], results: Results, seeds: range, higher_is_better: bool
) -> NDArray[np.float64]:
    """Returns the scores (candidates, seeds), turned so that a higher one is better."""
    rows = [[results[candidate.name][seed] for seed in seeds] for candidate in candidates]
    table = np.array(rows, dtype=float).reshape(len(rows), len(seeds))
    return table if higher_is_better else -table


def _due(field: Sequence[Candidate], results: Results, num_seeds: int) -> list[tuple[str, int]]:
    """Returns the runs that are missing, seed by seed: a run that is cut off then has all candidates on as many."""
    done = {candidate.name: dict(enumerate(results.get(candidate.name, ()))) for candidate in field}
    return [
        (candidate.name, seed)
        for seed in range(num_seeds)
        for candidate in field
        if done[candidate.name].get(seed) is None
    ]


def _ranked(field: Sequence[Candidate], results: Results, num_seeds: int, higher_is_better: bool) -> list[Candidate]:
    """Returns the candidates by their mean, the best first; of equals the smaller, then as they were given."""
    means = score_table(field, results, range(num_seeds), higher_is_better).mean(axis=1)
    size = [math.inf if candidate.num_params is None else candidate.num_params for candidate in field]
    return [field[i] for i in sorted(range(len(field)), key=lambda i: (-means[i], size[i]))]


def _not_clearly_worse(
    ranked: Sequence[Candidate], results: Results, num_seeds: int, higher_is_better: bool
) -> list[Candidate]:
    """Returns those behind the finalists that may be as good as the leader."""
    table = TwoWay(score_table(ranked, results, range(num_seeds), higher_is_better))
    means = table.scores.mean(axis=1)
    behind = zip(ranked[_NUM_FINALISTS:], means[_NUM_FINALISTS:], strict=True)
    return [candidate for candidate, mean in behind if table.p_value(float(means[0] - mean), num_seeds) >= _CLEAR]
