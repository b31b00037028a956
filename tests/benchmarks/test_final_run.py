"""The replays of a final run, over a table that is made up: the real ones are in a package of their own."""

from functools import partial

import numpy as np
import pytest

from benchmarks.final_run.replay import WORLDS, column, planted, replay
from benchmarks.final_run.tables import Table


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    means = rng.normal(90, 1, 2000)
    return Table("made up", means[:, None] + rng.normal(0, 1, (2000, 5)), rng.integers(1, 9, 2000))


@pytest.mark.parametrize("world", WORLDS)
def test_the_best_of_a_search_is_too_high_and_the_confirmed_number_is_not(table: Table, world: str) -> None:
    rows = list(replay(partial(WORLDS[world], table), 400))
    above, error = column(rows, "confirmed_above"), column(rows, "confirmed_above").std() / np.sqrt(len(rows))
    assert column(rows, "reported_above").mean() > 0.5
    assert abs(above.mean()) < 4 * error
    assert column(rows, "gain").mean() > 0
    assert 15 <= column(rows, "trainings").mean() <= 19


def test_borrowed_noise_is_as_large_as_the_tables_and_centred(table: Table) -> None:
    searches = [WORLDS["borrowed"](table, np.random.default_rng(seed)) for seed in range(200)]
    noise = np.array([each.fresh - each.truth[:, None] for each in searches])
    assert noise.std() == pytest.approx(1, rel=0.05)
    assert noise.mean() == pytest.approx(0, abs=0.05)


def test_equal_seeds_give_equal_replays() -> None:
    make = planted((0.0, 1.0, 1.0), 0.2)
    assert list(replay(make, 5)) == list(replay(make, 5)) != list(replay(make, 5, seed=1))
