"""The events of a run, the interface of whatever shows them, and several such as one.

Trackers follow; they never lead. Nothing is read back from one, none may block the caller for longer than it takes to
queue an event, and none may raise for trouble of its own (a server that is down, a terminal that is closed). One that
does raise is dropped: what shows a search must not end it.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Exhibits", "ModelFiles", "RunStart", "Tracker", "Trackers"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunStart:
    """A run that begins: one trial of a search, the search itself, or a final run.

    Attributes:
        number: Number of the trial; 0 for a final run.
        run_id: Identifier that the run keeps for ever, unique in its tracking project.
        name: What people read.
        job_type: `trial`, `search`, `confirm` or `final`.
        group: Name of the search, or None.
        params: Sampled parameters by short name.
        config: What runs are compared by, one value a column.
        num_epochs: Epochs that a whole run has.
        history: Metrics of the epochs that were logged before, by epoch; empty unless the run goes on after a crash.
        files: Texts that are kept with the run, by the name of their file.
        notes: What else there is to say of it.
        tags: What it is found by, its outcome aside.
        objectives: `max` or `min` for each metric whose best value is told.
        axis: What its epochs are, as the name of a metric.
    """

    number: int
    run_id: str
    name: str
    job_type: str
    group: str | None
    params: Mapping[str, Any]
    config: Mapping[str, Any] = field(repr=False)
    num_epochs: int
    history: Mapping[int, Mapping[str, float]] = field(default_factory=dict, repr=False)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    notes: str = ""
    tags: Sequence[str] = ()
    objectives: Mapping[str, str] = field(default_factory=dict)
    axis: str = "epoch"


@dataclass(frozen=True)
class ModelFiles:
    """A trained model as files.

    Attributes:
        name: Name of the model, which later versions of it share.
        files: Its files by the name that each gets.
        aliases: What this version is called.
        facts: What is known of it.
    """

    name: str
    files: Mapping[str, Path]
    aliases: Sequence[str]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Exhibits:
    """What a run has to show besides metrics.

    Attributes:
        tables: Rows by the name of the table, each with a value for every column.
        bars: Numbers by name, by the name of the chart.
        pages: HTML files by name.
        model: The model that came of it.
    """

    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    bars: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pages: Mapping[str, Path] = field(default_factory=dict)
    model: ModelFiles | None = None


class Tracker(Protocol):
    """Shows runs. Calls come from one thread, in order: start, log for each epoch, end; close comes last."""

    def start(self, run: RunStart) -> None:
        """A run begins, or goes on after a crash (the same `run_id`; the next epoch logged is the next one due)."""

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch (1 to num_epochs) ended with these metrics, named `split/name`."""

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        """A run ended: how, and its last words (best and last value, say)."""

    def close(self) -> None:
        """No more events come. Returns within the tracker's own stated time."""


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
