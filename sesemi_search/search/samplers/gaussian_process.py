"""A Gaussian process over mixed points: what a sampler of learning curves fits to a handful of trials.

Small on purpose: at most a few hundred observations, one Cholesky factor, point estimates of the hyperparameters. It
knows nothing of trials and of parameters; a point is a row of numbers, each coordinate either a number in [0, 1] or the
code of a category.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import ndtr

__all__ = ["GaussianProcess", "log_expected_improvement"]

Array = NDArray[np.float64]

_SCALE = 0.35  # the prior's median of a length scale, times the square root of the number of dimensions
_NOISE = 1e-2  # the prior's median of the noise's variance, of targets of variance one
_PRIOR_SD = (1.0, 1.0, 1.5)  # of the logarithms of length scales, amplitude and noise
_LOG_BOUNDS = ((math.log(0.03), math.log(30.0)), (-4.0, 4.0), (math.log(1e-4), 0.0))
_MAX_ITERATIONS = 15
_FAR = -5.0  # standard deviations


class GaussianProcess:
    """Regression with a Matern 5/2 kernel and a length scale for each dimension (Rasmussen and Williams 2006, 4.2).

    The hyperparameters are the maximum of the posterior under log-normal priors, which keeps them sane with ten
    observations in twenty dimensions (Hvarfner et al. 2024 on the scale's growth with the number of dimensions).

    Args:
        points: (N, D).
        targets: (N,).
        is_category: (D,); where True, two values of that coordinate are equal or one apart, whatever their codes.
        num_active: Dimensions that matter to one point on average: in a conditional space fewer than D.
    """

    def __init__(self, points: Array, targets: Array, is_category: NDArray[np.bool_], num_active: float) -> None:
        self._is_category = is_category
        self._points = points
        self._mean, self._sd = float(targets.mean()), float(targets.std()) or 1.0
        self._targets = (targets - self._mean) / self._sd
        self._fit(num_active)
        self._factorize()

    def predict(self, points: Array) -> tuple[Array, Array]:
        """Returns the mean and the standard deviation of the function, without noise, at (M, D) points."""
        covariance = self._amplitude * _matern(self._distances(points, self._points))
        mean = covariance @ self._weights
        explained = solve_triangular(self._factor, covariance.T, lower=True)
        variance = np.maximum(self._amplitude - (explained**2).sum(0), 1e-10)
        return self._mean + self._sd * mean, self._sd * np.sqrt(variance)

    def believe(self, points: Array) -> None:
        """Takes its own means at some points for observations, so that the next point lies elsewhere.

        The kriging believer of Ginsbourger et al. (2010), for trials that run and have no result yet.
        """
        mean, _ = self.predict(points)
        self._points = np.vstack([self._points, points])
        self._targets = np.append(self._targets, (mean - self._mean) / self._sd)
        self._factorize()

    def _distances(self, left: Array, right: Array) -> Array:
        """Returns scaled squared distances, (M, N)."""
        squares = np.zeros((len(left), len(right)))
        for j, scale in enumerate(self._scales):
            difference = left[:, j, None] - right[None, :, j]
            squares += (difference != 0 if self._is_category[j] else difference**2) / scale**2
        return squares

    def _factorize(self) -> None:
        covariance = self._amplitude * _matern(self._distances(self._points, self._points))
        covariance[np.diag_indices_from(covariance)] += self._noise
        self._factor = cholesky(covariance, lower=True)
        self._weights = cho_solve((self._factor, True), self._targets)

    def _fit(self, num_active: float) -> None:
        num_dims, count = self._points.shape[1], len(self._points)
        differences = self._points[:, None, :] - self._points[None, :, :]
        squares = np.where(self._is_category, differences != 0, differences**2)
        flat = np.ascontiguousarray(squares.transpose(2, 0, 1).reshape(num_dims, -1))
        center = np.array([*[math.log(_SCALE * math.sqrt(num_active))] * num_dims, 0.0, math.log(_NOISE)])
        spread = np.array([*[_PRIOR_SD[0]] * num_dims, *_PRIOR_SD[1:]])

        def loss(logs: Array) -> tuple[float, Array]:
            """Negative log posterior and its gradient in the logarithms of the hyperparameters."""
            inverse = np.exp(-2 * logs[:num_dims])
            amplitude, noise = np.exp(logs[-2:])
            distance = np.sqrt(5 * (inverse @ flat).reshape(count, count))
            decay = np.exp(-distance)
            kernel = amplitude * (1 + distance + distance**2 / 3) * decay
            covariance = kernel.copy()
            covariance[np.diag_indices_from(covariance)] += noise
            factor = cholesky(covariance, lower=True)
            weights = cho_solve((factor, True), self._targets)
            slope = (cho_solve((factor, True), np.eye(count)) - np.outer(weights, weights)) / 2
            gradient = np.empty_like(logs)
            by_scale = slope * (amplitude * 5 / 3) * (1 + distance) * decay
            gradient[:num_dims] = (flat @ by_scale.ravel()) * inverse
            gradient[-2] = (slope * kernel).sum()
            gradient[-1] = noise * np.trace(slope)
            surprise = (logs - center) / spread
            value = self._targets @ weights / 2 + np.log(np.diag(factor)).sum() + (surprise**2).sum() / 2
            return float(value), gradient + surprise / spread

        scales, amplitude, noise = _LOG_BOUNDS
        found = minimize(
            loss,
            center,
            jac=True,
            method="L-BFGS-B",
            bounds=[scales] * num_dims + [amplitude, noise],
            options={"maxiter": _MAX_ITERATIONS},
        )
        self._scales = np.exp(found.x[:num_dims])
        self._amplitude, self._noise = map(float, np.exp(found.x[-2:]))


def _matern(squares: Array) -> Array:
    distance = np.sqrt(5 * squares)
    kernel: Array = (1 + distance + distance**2 / 3) * np.exp(-distance)
    return kernel


def log_expected_improvement(mean: Array, sd: Array, best: float) -> Array:
    """Returns the logarithm of the expected improvement over `best` (Jones et al. 1998), finite far below it too."""
    z = (mean - best) / sd
    near, far = np.maximum(z, _FAR), np.minimum(z, _FAR)
    density = np.exp(-(near**2) / 2) / math.sqrt(2 * math.pi)
    # Far below, the two terms cancel; together they are the density over the square of z there.
    tail = -(far**2) / 2 - 2 * np.log(-far) - math.log(2 * math.pi) / 2
    gain: Array = np.where(z < _FAR, tail, np.log(near * ndtr(near) + density)) + np.log(sd)
    return gain
