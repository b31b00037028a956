"""How fast the trials of a search go by, and how long the rest of them will take."""

import time
from collections.abc import Callable, Iterable

__all__ = ["Pace"]


class Pace:
    """Epochs and trials of one sitting, counted as they end.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._num_epochs = 0
        self._training_s = 0.0
        self._epochs_of_ended: list[int] = []

    @property
    def seconds(self) -> float:
        """Wall seconds of the sitting."""
        return self._clock() - self._began

    @property
    def training_rate(self) -> float:
        """Seconds that trials trained in a wall second, all slots together."""
        return self._training_s / self.seconds if self.seconds else 0.0

    def epoch_ended(self, seconds: float) -> None:
        """Counts an epoch that took so long."""
        self._num_epochs += 1
        self._training_s += seconds

    def trial_ended(self, num_epochs: int) -> None:
        """Counts a trial that ended after so many epochs."""
        self._epochs_of_ended.append(num_epochs)

    def seconds_left(self, running: Iterable[tuple[int, int]], num_waiting: int) -> float | None:
        """Returns the wall seconds that the rest will take if it goes on so; None before a trial has ended.

        A trial is taken to have as many epochs as those that ended had on average, one that has passed that to run in
        full.

        Args:
            running: Of each running trial, the epochs that it has and those that a whole run has.
            num_waiting: Trials that have not begun.
        """
        if not self._epochs_of_ended or not self._num_epochs:
            return None
        usual = sum(self._epochs_of_ended) / len(self._epochs_of_ended)
        left = num_waiting * usual + sum((usual if done < usual else full) - done for done, full in running)
        return max(0.0, left) * self.seconds / self._num_epochs
