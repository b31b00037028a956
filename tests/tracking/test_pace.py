"""How long the rest of a search takes, from the epochs that it has measured."""

import pytest

from sesemi_search.search.stopping import Budget
from sesemi_search.tracking.pace import Pace
from tests.search.clock import Clock


def test_nothing_is_told_before_a_trial_has_ended() -> None:
    pace = Pace(clock := Clock())
    clock.wait(10)
    pace.epoch_ended(8)
    assert pace.seconds_left([(1, 3)], 4) is None


def test_stopped_trials_make_the_rest_shorter_and_slots_make_it_faster() -> None:
    pace = Pace(clock := Clock())
    for epochs in (3, 9, 3, 9):  # on two slots, an epoch each in 10 s
        for _ in range(epochs):
            clock.wait(5)
            pace.epoch_ended(10)
        pace.trial_ended(epochs)
    assert pace.training_rate == 2
    assert pace.seconds_left([], 4) == pytest.approx(4 * 6 * 5)
    # One that has passed the usual runs in full.
    assert pace.seconds_left([(2, 27), (7, 27)], 0) == pytest.approx((4 + 20) * 5)


def test_a_budget_is_spent_by_the_clock_or_by_the_trials() -> None:
    assert Budget(None, None, 1.0, "GPU").seconds_left(1.0) is None
    assert Budget(100.0, None, 1.0, "GPU", earlier_wall_s=40.0).seconds_left(1.0) == pytest.approx(60, abs=1)
    compute = Budget(None, 1.0, 0.5, "GPU", earlier_training_s=3600.0)
    assert compute.seconds_left(2.0) == pytest.approx(1800)
    assert compute.seconds_left(0.0) is None
    assert Budget(1800.0, 1.0, 0.5, "GPU", earlier_training_s=7200.0).seconds_left(2.0) == 0
