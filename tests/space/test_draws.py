"""Points drawn without Optuna lie on the grid of a domain, both ends included."""

import random

import pytest

from sesemi_search.space.draws import RandomTrial


@pytest.mark.parametrize(
    ("low", "high", "step", "grid"),
    [(0.0, 1.0, 0.6, [0.0, 0.6]), (0.8, 0.83, 0.01, [0.8, 0.81, 0.82, 0.83]), (0.5, 0.5, 0.1, [0.5])],
)
def test_a_number_with_a_step_is_drawn_of_its_grid_and_of_nothing_else(
    low: float, high: float, step: float, grid: list[float]
) -> None:
    trial = RandomTrial(random.Random(0))
    drawn = sorted({round(trial.suggest_float("x", low, high, step=step, log=False), 9) for _ in range(200)})
    assert drawn == grid
