"""What ends a search before its last trial: a signal, a budget, one error for all, a disk that is full."""

import re
import time
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from sesemi_search.errors import ConfigError
from sesemi_search.search.ledger.records import Outcome, TrialRecord

__all__ = ["Budget", "Stop", "StopKind", "error_line", "find_common_error", "parse_duration"]

# Trials that must fail in one way, and none in another or not at all, before a search gives up.
_FIRST_ERRORS = 3
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


class StopKind(Enum):
    """Why a search stopped early."""

    signal = "signal"
    budget = "budget"
    error = "error"
    storage = "storage"


class Stop(NamedTuple):
    """A search that stopped early: the kind of reason, and the reason in words."""

    kind: StopKind
    text: str


class Budget:
    """Wall time and compute of a search, earlier sittings included.

    Args:
        time_s: Most wall seconds of all sittings together, or None.
        compute_h: Most GPU-hours of trials (core-hours where they have no GPU), or None.
        share: GPUs, or cores, of a trial.
        unit: `GPU` or `core`.
        earlier_wall_s: Wall seconds of earlier sittings.
        earlier_training_s: Seconds that trials of earlier sittings trained, all together.
    """

    def __init__(
        self,
        time_s: float | None,
        compute_h: float | None,
        share: float,
        unit: str,
        earlier_wall_s: float = 0.0,
        earlier_training_s: float = 0.0,
    ) -> None:
        self._time_s = time_s
        self._compute_h = compute_h
        self._share = share
        self._unit = unit
        self._start = time.monotonic() - earlier_wall_s
        self._training_s = earlier_training_s

    @property
    def wall_s(self) -> float:
        """Wall seconds so far."""
        return time.monotonic() - self._start

    def trained(self, seconds: float) -> None:
        """Counts an epoch."""
        self._training_s += seconds

    def seconds_left(self, training_rate: float) -> float | None:
        """Returns the wall seconds until a budget is spent, or None where there is none.

        Args:
            training_rate: Seconds that trials train in a wall second, all slots together.
        """
        left = [] if self._time_s is None else [self._time_s - self.wall_s]
        if self._compute_h is not None and training_rate > 0:
            left.append((self._compute_h * 3600 / self._share - self._training_s) / training_rate)
        return max(0.0, min(left)) if left else None

    def exceeded(self) -> Stop | None:
        """Returns which budget is spent, or None."""
        if self._time_s is not None and self.wall_s >= self._time_s:
            return Stop(StopKind.budget, f"search.time_budget: {self.wall_s:.0f} of {self._time_s:.0f} s are spent")
        compute_h = self._training_s * self._share / 3600
        if self._compute_h is not None and compute_h >= self._compute_h:
            spent = f"{compute_h:.3g} of {self._compute_h:g} {self._unit}-hours are spent"
            return Stop(StopKind.budget, f"search.compute_budget: {spent}")
        return None


def find_common_error(records: Iterable[TrialRecord], num_trials: int) -> Stop | None:
    """Finds that every trial so far failed in one and the same way, as with a broken module.

    Args:
        records: All trials, by number; no more are taken than it needs to see that they have not.
        num_trials: Trials that the search will have.
    """
    ended: list[TrialRecord] = []
    for record in records:
        if record.is_ended and record.is_counted:
            ended.append(record)
            if record.outcome is not Outcome.error or _signature(record.message) != _signature(ended[0].message):
                return None
    if len(ended) < min(_FIRST_ERRORS, num_trials):
        return None
    return Stop(
        StopKind.error,
        f"the first {len(ended)} trials all failed with the same error; trial {ended[0].number}:\n{ended[0].message}",
    )


def error_line(traceback: str) -> str:
    """Returns the line of a traceback that has the error, the first of its message; of any other text the first."""
    last_place = _places(traceback)[-1:]
    after = traceback.rpartition(last_place[0])[2] if last_place else traceback
    # The first after the last place that is not indented; a message may have more lines.
    line = re.search(r"^\S.*$", after, re.MULTILINE)
    return line[0] if line else ""


def _signature(traceback: str) -> tuple[str, str]:
    """Where a traceback ends and with what: its text may hold values of the trial."""
    return "".join(_places(traceback)[-1:]), error_line(traceback).partition(":")[0]


def _places(traceback: str) -> list[str]:
    return re.findall(r'^  File ".*", line \d+, in .*$', traceback, re.MULTILINE)


def parse_duration(text: str, key: str) -> float:
    """Returns the seconds of a duration as people write it: `2h`, `1h30m`, `90s`, or a number of seconds.

    Raises:
        ConfigError: It is not written as one, or not above 0; the message names `key`.
    """
    written = text.strip().lower()
    try:
        seconds = float(written)
    except ValueError:
        parts = re.fullmatch(r"((\d+(\.\d+)?)[dhms])+", written)
        pairs = re.findall(r"(\d+(?:\.\d+)?)([dhms])", written) if parts else []
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in pairs)
    if not 0 < seconds < float("inf"):
        raise ConfigError(key, f"got {text!r}; it takes a time such as 2h, 1h30m or 90s, or a number of seconds.")
    return seconds
