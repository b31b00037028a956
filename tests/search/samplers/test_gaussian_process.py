import numpy as np
import pytest
from scipy.stats import norm

from sesemi_search.search.samplers.gaussian_process import GaussianProcess, log_expected_improvement

RNG = np.random.default_rng(0)
NUMBERS = np.zeros(2, bool)


def wave(points: np.ndarray) -> np.ndarray:
    return np.sin(4 * points[:, 0]) + 0.3 * points[:, 1]


def test_it_predicts_what_it_was_not_shown_and_is_unsure_far_away() -> None:
    points = RNG.random((30, 2)) * [0.6, 1]
    model = GaussianProcess(points, wave(points), NUMBERS, 2)
    near, far = RNG.random((50, 2)) * [0.5, 0.9] + [0.05, 0.05], np.array([[1.0, 0.5]])
    mean, sd = model.predict(near)
    assert np.abs(mean - wave(near)).max() < 0.1
    assert model.predict(far)[1][0] > 5 * np.median(sd)


def test_the_dimension_that_matters_is_found_among_those_that_do_not() -> None:
    points = RNG.random((40, 6))
    model = GaussianProcess(points, np.sin(5 * points[:, 2]), np.zeros(6, bool), 6)
    fresh = RNG.random((100, 6))
    assert np.abs(model.predict(fresh)[0] - np.sin(5 * fresh[:, 2])).mean() < 0.1


def test_the_code_of_a_category_is_a_name_and_no_number() -> None:
    """Codes 0 and 2 behave alike, and 1, which lies between them, does not."""
    codes = np.repeat([0.0, 1.0, 2.0], 8)
    points = np.column_stack([codes, np.tile(np.linspace(0, 1, 8), 3)])
    targets = np.where(codes == 1, -1.0, 1.0) + points[:, 1]
    model = GaussianProcess(points, targets, np.array([True, False]), 2)
    mean, _ = model.predict(np.array([[0.0, 0.55], [1.0, 0.55], [2.0, 0.55]]))
    assert mean == pytest.approx([1.55, -0.45, 1.55], abs=0.15)


def test_noise_is_not_taken_for_the_function() -> None:
    points = np.sort(RNG.random((80, 1)), axis=0)
    model = GaussianProcess(points, 2 * points[:, 0] + RNG.normal(0, 0.3, 80), np.zeros(1, bool), 1)
    grid = np.linspace(0.1, 0.9, 20)[:, None]
    assert np.abs(model.predict(grid)[0] - 2 * grid[:, 0]).max() < 0.4


def test_what_is_believed_leaves_the_mean_and_takes_the_doubt() -> None:
    points = RNG.random((12, 2)) * [0.5, 1]
    model = GaussianProcess(points, wave(points), NUMBERS, 2)
    there = np.array([[0.9, 0.5]])
    mean, sd = model.predict(there)
    model.believe(there)
    believed, sure = model.predict(there)
    assert believed == pytest.approx(mean, abs=0.05 * float(sd[0]) + 1e-3)
    assert sure[0] < sd[0] / 2


def test_equal_targets_and_one_point_are_no_fault() -> None:
    model = GaussianProcess(np.full((3, 2), 0.5), np.ones(3), NUMBERS, 2)
    mean, sd = model.predict(RNG.random((4, 2)))
    assert mean == pytest.approx(np.ones(4))
    assert np.isfinite(sd).all()


def test_the_expected_improvement_is_that_of_the_formula_and_finite_far_below() -> None:
    z = np.array([-4.5, -2.0, 0.0, 1.5])
    expected = np.log(norm.pdf(z) + z * norm.cdf(z)) + np.log(2.0)
    assert log_expected_improvement(2 * z, np.full(4, 2.0), 0.0) == pytest.approx(expected)
    falling = log_expected_improvement(np.linspace(0, -100, 300), np.ones(300), 0.0)
    assert np.isfinite(falling).all()
    assert falling[-1] < falling[0]
