"""What a search comes to."""

from dataclasses import dataclass
from pathlib import Path

from sesemi_search.search.ledger.records import TrialRecord
from sesemi_search.search.stopping import Stop

__all__ = ["SearchResult"]


@dataclass(frozen=True)
class SearchResult:
    """A search that ended, finished or not.

    Attributes:
        directory: The search directory.
        records: Every trial of this search.
        copied: Trials that it took over from earlier searches.
        best: The best complete trial.
        stop: Why it ended before its last trial, or None.
        is_exhausted: Whether it ended because the space holds no other config.
        seconds: Wall seconds of this sitting, from the first trial to the last.
        earlier_seconds: Wall seconds of the sittings before, up to the last trial that ended in each.
        training_seconds: Seconds that trials of this sitting trained, all slots together.
        slots: Trials at once.
    """

    directory: Path
    records: list[TrialRecord]
    copied: list[TrialRecord]
    best: TrialRecord | None
    stop: Stop | None
    is_exhausted: bool
    seconds: float
    earlier_seconds: float
    training_seconds: float
    slots: int
