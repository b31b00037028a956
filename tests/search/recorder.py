"""A tracker that remembers what it was told."""

from collections.abc import Mapping
from typing import Any

from sesemi_search.tracking.tracker import RunStart

__all__ = ["Recorder"]


class Recorder:
    """Keeps all events."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.starts: list[RunStart] = []

    def start(self, run: RunStart) -> None:
        self.starts.append(run)
        self.events.append(("start", run.number))

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        self.events.append(("log", number, epoch))

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        self.events.append(("end", number, outcome))

    def close(self) -> None:
        self.events.append(("close",))
