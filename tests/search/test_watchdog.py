from collections.abc import Callable

import pytest

from sesemi_search.search.watchdog import Watchdog
from tests.search.clock import Clock

STEP_S = 0.5

Wait = Callable[..., None]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wait(clock: Clock) -> Wait:
    """Lets time pass for trials 0 and 1, and looks meanwhile."""

    def wait(dog: Watchdog, num_steps: int, is_stopping: bool = False) -> None:
        for _ in range(num_steps):
            dog.look([0, 1], is_stopping)
            clock.wait(STEP_S)
        dog.look([0, 1], is_stopping)

    return wait


def test_a_trial_that_reports_in_time_has_the_whole_time_again(clock: Clock, wait: Wait) -> None:
    dog = Watchdog(3 * STEP_S, 60, clock)
    wait(dog, 2)
    dog.reported(0)
    wait(dog, 2)
    assert dog.timed_out() == [1]
    dog.forget(1)
    assert dog.timed_out() == []


def test_without_a_timeout_nothing_times_out(clock: Clock, wait: Wait) -> None:
    dog = Watchdog(None, 60, clock)
    wait(dog, 2)
    assert dog.timed_out() == []


def test_time_in_which_the_driver_stood_still_does_not_count(clock: Clock) -> None:
    dog = Watchdog(60, 60, clock)
    dog.look([0], is_stopping=False)
    clock.wait(3600)
    dog.look([0], is_stopping=False)
    assert dog.timed_out() == []


def test_a_search_that_stops_gives_a_trial_twice_its_longest_epoch(clock: Clock, wait: Wait) -> None:
    dog = Watchdog(None, STEP_S, clock)
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


def test_a_search_that_stops_waits_for_the_grace_time_at_least(clock: Clock, wait: Wait) -> None:
    dog = Watchdog(None, 4 * STEP_S, clock)
    wait(dog, 3)
    wait(dog, 2, is_stopping=True)
    assert dog.unresponsive() == []
    wait(dog, 4, is_stopping=True)
    assert dog.unresponsive() == [0, 1]
