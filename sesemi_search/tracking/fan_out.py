"""Several trackers as one. A tracker that raises is dropped: what shows a search must not end it."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sesemi_search.tracking.tracker import RunStart, Tracker

__all__ = ["Trackers"]

logger = logging.getLogger(__name__)


class Trackers:
    """Passes every event to each tracker.

    Args:
        trackers: In the order in which they get events.
    """

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = list(trackers)

    def start(self, run: RunStart) -> None:
        """A run begins."""
        self._each(lambda tracker: tracker.start(run))

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch ended."""
        self._each(lambda tracker: tracker.log(number, epoch, metrics))

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        """A run ended."""
        self._each(lambda tracker: tracker.end(number, outcome, summary))

    def close(self) -> None:
        """No more events come."""
        self._each(lambda tracker: tracker.close())

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for tracker in list(self._trackers):
            try:
                call(tracker)
            except Exception as error:  # whatever a tracker's library raises
                self._trackers.remove(tracker)
                self._drop(tracker, error)

    def _drop(self, tracker: Tracker, error: Exception) -> None:
        # A broken tracker may fail to close, and a closed terminal cannot be told.
        with contextlib.suppress(Exception):
            logger.warning(f"{type(tracker).__name__} is switched off: {type(error).__name__}: {error}")
        with contextlib.suppress(Exception):
            tracker.close()
