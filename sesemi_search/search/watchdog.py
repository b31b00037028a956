"""Finds trials that report nothing any more: a deadlock in a module or in a loader does not end by itself."""

import time
from collections.abc import Callable, Iterable

__all__ = ["Watchdog"]

# Its clock advances by so many seconds at most from one look to the next: a driver that was suspended, or busy with
# something else, has not been waiting for its trials.
_MAX_STEP_S = 5.0


class Watchdog:
    """Knows how long each trial that has a worker has reported nothing.

    Args:
        epoch_timeout_s: Most seconds that a trial may take over an epoch, or None. The first epoch begins with the
            start of the worker.
        stop_grace_s: Least seconds that a trial has to end its epoch once the search stops. It has twice the longest
            epoch of its own where that is more; before its first report, of any trial.
        clock: Gives the time, in seconds.
    """

    def __init__(
        self, epoch_timeout_s: float | None, stop_grace_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.epoch_timeout_s = epoch_timeout_s
        self._stop_grace_s = stop_grace_s
        self._clock = clock
        self._now_s = 0.0
        self._looked = clock()
        self._stopped_s: float | None = None
        self._heard_s: dict[int, float] = {}
        self._longest_s: dict[int, float] = {}

    def look(self, numbers: Iterable[int], is_stopping: bool) -> None:
        """Advances the clock.

        Args:
            numbers: The trials that have a worker; a new one's first epoch begins now.
            is_stopping: Whether running trials are to end with their epoch.
        """
        now = self._clock()
        self._now_s += min(now - self._looked, _MAX_STEP_S)
        self._looked = now
        for number in numbers:
            self._heard_s.setdefault(number, self._now_s)
        if is_stopping and self._stopped_s is None:
            self._stopped_s = self._now_s

    def reported(self, number: int) -> None:
        """A trial has ended an epoch."""
        took_s = self._silent_s(number)
        self._longest_s[number] = max(took_s, self._longest_s.get(number, 0.0))
        self._heard_s[number] = self._now_s

    def forget(self, number: int) -> None:
        """A trial has ended, or lost its worker."""
        self._heard_s.pop(number, None)

    def timed_out(self) -> list[int]:
        """Returns the trials whose epoch takes longer than it may."""
        if self.epoch_timeout_s is None:
            return []
        return [number for number in self._heard_s if self._silent_s(number) > self.epoch_timeout_s]

    def unresponsive(self) -> list[int]:
        """Returns the trials that were to end their epoch, and have not in the time they had for it."""
        if self._stopped_s is None or self._now_s - self._stopped_s <= self._stop_grace_s:
            return []
        longest_s = max(self._longest_s.values(), default=0.0)
        return [n for n in self._heard_s if self._silent_s(n) > 2 * self._longest_s.get(n, longest_s)]

    def _silent_s(self, number: int) -> float:
        return self._now_s - self._heard_s.get(number, self._now_s)
