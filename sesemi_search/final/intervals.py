"""Intervals for what a few trainings and a finite number of images can tell."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

__all__ = ["Interval", "Noise", "residuals", "wilson_interval"]


class Interval(NamedTuple):
    """Two ends, in the unit of what lies between."""

    low: float
    high: float


@dataclass(frozen=True)
class Noise:
    """How far a score varies from seed to seed, as normal noise that is estimated from few.

    Attributes:
        variance: Variance of one score; NaN of one seed.
        freedom: Degrees of freedom that it is estimated with.
    """

    variance: float
    freedom: float

    @classmethod
    def of(cls, scores: NDArray[np.float64]) -> "Noise":
        """Estimates it from scores (candidates, seeds), each candidate's as noisy as the others'.

        What a seed gives to all of them counts as noise and is seen once, not once for each candidate: the variance is
        put together of two mean squares, its degrees of freedom are Satterthwaite's (1946).
        """
        num_candidates, num_seeds = scores.shape
        if num_seeds < 2:
            return cls(math.nan, math.nan)
        by_seed = scores.mean(axis=0) - scores.mean()
        parts = [((by_seed**2).sum(), num_seeds - 1)]
        if num_candidates > 1:
            rest = residuals(scores)
            parts.append(((rest**2).sum() / num_candidates, (num_candidates - 1) * (num_seeds - 1)))
        shares = [(float(squares) / (num_seeds - 1), freedom) for squares, freedom in parts]
        variance = sum(share for share, _ in shares)
        spread = sum(share**2 / freedom for share, freedom in shares)
        return cls(variance, variance**2 / spread if spread > 0 else num_seeds - 1)

    def plus(self, variance: float) -> "Noise":
        """Returns it with a variance that is known besides."""
        return replace(self, variance=self.variance + variance)

    def error(self, num_seeds: int) -> float:
        """Returns the standard error of a mean over `num_seeds` seeds."""
        return math.sqrt(self.variance / num_seeds)

    def interval(self, mean: float, num_seeds: int, level: float) -> Interval:
        """Returns Student's interval of what a mean over `num_seeds` seeds estimates."""
        half = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error(num_seeds)
        return Interval(mean - half, mean + half)

    def p_value(self, mean: float, num_seeds: int) -> float:
        """Returns how often a mean over `num_seeds` seeds is as far from 0, either way, where 0 is the truth."""
        error = self.error(num_seeds)
        if error == 0:  # seeds that change nothing
            return 0.0 if mean else 1.0
        return 2 * float(stdtr(self.freedom, -abs(mean) / error))


def residuals(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns scores (candidates, seeds) without what is their candidate's and what is their seed's."""
    rest: NDArray[np.float64] = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0) + scores.mean()
    return rest


def wilson_interval(num_right: int, num_images: int, level: float = 0.95) -> Interval:
    """Returns the interval of a share of right answers, in [0, 1] (Wilson 1927).

    It is about the images, as if they were drawn from many; it knows nothing of the seeds of training.

    Args:
        num_right: Images that are right, 0 to `num_images`.
        num_images: Images, at least 1.
        level: How often such an interval holds the share, in (0, 1).
    """
    z = float(ndtri((1 + level) / 2))
    share, stretch = num_right / num_images, 1 + z * z / num_images
    middle = (share + z * z / (2 * num_images)) / stretch
    half = z / stretch * math.sqrt(share * (1 - share) / num_images + z * z / (4 * num_images**2))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))
