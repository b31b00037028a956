import time

import pytest

from sesemi_search.search import watchdog
from sesemi_search.search.watchdog import Watchdog

STEP_S = 0.05


def wait(dog: Watchdog, num_steps: int, is_stopping: bool = False) -> None:
    """Lets time pass for trials 0 and 1, and looks meanwhile."""
    for _ in range(num_steps):
        dog.look([0, 1], is_stopping)
        time.sleep(STEP_S)
    dog.look([0, 1], is_stopping)


def test_a_trial_that_reports_in_time_has_the_whole_time_again() -> None:
    dog = Watchdog(3 * STEP_S, 60)
    wait(dog, 2)
    dog.reported(0)
    wait(dog, 2)
    assert dog.timed_out() == [1]
    dog.forget(1)
    assert dog.timed_out() == []


def test_without_a_timeout_nothing_times_out() -> None:
    dog = Watchdog(None, 60)
    wait(dog, 2)
    assert dog.timed_out() == []


def test_time_in_which_the_driver_stood_still_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_MAX_STEP_S", STEP_S)
    dog = Watchdog(2 * STEP_S, 60)
    dog.look([0], is_stopping=False)
    time.sleep(4 * STEP_S)
    dog.look([0], is_stopping=False)
    assert dog.timed_out() == []


def test_a_search_that_stops_gives_a_trial_twice_its_longest_epoch() -> None:
    dog = Watchdog(None, STEP_S)
    wait(dog, 1)
    dog.reported(1)  # in a step
    wait(dog, 3)
    dog.reported(0)  # in four
    dog.reported(1)
    wait(dog, 5, is_stopping=True)
    assert dog.unresponsive() == []
    dog.reported(1)
    wait(dog, 5, is_stopping=True)
    assert dog.unresponsive() == [0]


def test_a_search_that_stops_waits_for_the_grace_time_at_least() -> None:
    dog = Watchdog(None, 4 * STEP_S)
    wait(dog, 3)
    wait(dog, 2, is_stopping=True)
    assert dog.unresponsive() == []
    wait(dog, 4, is_stopping=True)
    assert dog.unresponsive() == [0, 1]
