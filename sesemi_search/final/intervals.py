"""Intervals for what a few trainings and a finite number of images can tell."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Interval", "TwoWay", "wilson_interval"]


class Interval(NamedTuple):
    """Two ends, in the unit of what lies between."""

    low: float
    high: float


def wilson_interval(num_right: int, num_images: int, level: float = 0.95) -> Interval:
    """Returns the interval of a share of right answers, in [0, 1] (Wilson 1927).

    It is about the images, as if they were drawn from many; it knows nothing of the seeds of training.

    Args:
        num_right: Images that are right, 0 to `num_images`.
        num_images: Images, at least 1.
        level: How often such an interval holds the share, in (0, 1).
    """
    z = float(stats.norm.ppf((1 + level) / 2))
    share, shrink = num_right / num_images, 1 + z * z / num_images
    middle = (share + z * z / (2 * num_images)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / num_images + z * z / (4 * num_images**2))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


class TwoWay:
    """Scores of some candidates over the same seeds, and how much of them is noise (a two-way layout).

    A score is that of its candidate, plus what its seed gives to all, plus noise. A difference of two candidates over
    the same seeds has the noise alone; a candidate's mean has both. Noise is taken to be as large for each candidate:
    five seeds of one tell too little.

    Attributes:
        scores: The scores (candidates, seeds), at least one of each.
    """

    def __init__(self, scores: NDArray[np.float64]) -> None:
        self.scores = scores
        num_candidates, num_seeds = scores.shape
        by_seed = scores.mean(axis=0) - scores.mean()
        residuals = scores - scores.mean(axis=1, keepdims=True) - by_seed
        self._seed_freedom = num_seeds - 1
        self._freedom = (num_candidates - 1) * (num_seeds - 1)
        self._noise = float((residuals**2).sum() / self._freedom) if self._freedom else 0.0  # mean squares
        self._by_seed = float(num_candidates * (by_seed**2).sum() / self._seed_freedom) if self._seed_freedom else 0.0

    @property
    def run_variance(self) -> float:
        """Variance of a candidate's score from seed to seed; NaN with one seed."""
        num_candidates = len(self.scores)
        if not self._seed_freedom:
            return math.nan
        return (self._by_seed + (num_candidates - 1) * self._noise) / num_candidates

    def mean_interval(self, mean: float, num_seeds: int, level: float) -> Interval:
        """Returns the interval of a candidate's score with a seed like these, of its mean over `num_seeds` of them."""
        variance = self.run_variance
        half = stats.t.ppf((1 + level) / 2, self._run_freedom()) * math.sqrt(variance / num_seeds)
        return Interval(mean - float(half), mean + float(half))

    def difference_interval(self, difference: float, num_seeds: int, level: float) -> Interval:
        """Returns the interval of the difference of two candidates, of its mean over `num_seeds` seeds."""
        half = stats.t.ppf((1 + level) / 2, self._freedom) * self._difference_error(num_seeds)
        return Interval(difference - float(half), difference + float(half))

    def p_value(self, difference: float, num_seeds: int) -> float:
        """Returns how often luck alone makes a mean difference over `num_seeds` seeds that is as large, in [0, 1]."""
        error = self._difference_error(num_seeds)
        if error == 0:  # seeds that change nothing
            return 0.0 if difference > 0 else 1.0
        return float(stats.t.sf(difference / error, self._freedom))

    def _difference_error(self, num_seeds: int) -> float:
        return math.sqrt(2 * self._noise / num_seeds)

    def _run_freedom(self) -> float:
        """Degrees of freedom of `run_variance` (Satterthwaite 1946)."""
        if self._by_seed == self._noise == 0:
            return float(max(self._seed_freedom, 1))
        num_candidates = len(self.scores)
        parts = [(self._by_seed / num_candidates, self._seed_freedom)]
        if self._freedom:
            parts.append(((num_candidates - 1) * self._noise / num_candidates, self._freedom))
        return float(self.run_variance**2 / sum(part**2 / freedom for part, freedom in parts))
