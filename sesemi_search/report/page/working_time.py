"""When trials ran: in seconds that a search was at work, pauses left out, and each in a slot."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sesemi_search.search.ledger.records import Outcome, TrialRecord

__all__ = ["Span", "lay_out"]

_PAUSE_S = 60.0  # nothing ran for longer: the search was not at work


@dataclass(frozen=True)
class Span:
    """When and where a trial ran, its last attempt where there were several.

    Attributes:
        began: Seconds that the search had been at work.
        ended: Likewise.
        slot: Its slot, from 0: the first that was free.
    """

    began: float
    ended: float
    slot: int


def lay_out(records: Iterable[TrialRecord], now: datetime | None) -> Mapping[int, Span]:
    """Returns the span of each trial that was trained, by number.

    The ledger knows times and no slots; a trial is shown in the lowest that was free when it began.

    Args:
        records: The trials.
        now: Of a search at work, until when its running trials have run.
    """
    times = sorted(
        (record.began, max(record.began, _end(record, record.began, now)), record.number)
        for record in records
        if record.began is not None and record.outcome not in (Outcome.infeasible, Outcome.duplicate)
    )
    spans: dict[int, Span] = {}
    free: list[datetime] = []  # of each slot, since when
    paused, latest = timedelta(), times[0][0] if times else datetime.min
    first = latest
    for began, ended, number in times:
        if (began - latest).total_seconds() > _PAUSE_S:
            paused += began - latest
        latest = max(latest, ended)
        slot = next((i for i, since in enumerate(free) if since <= began), len(free))
        free[slot : slot + 1] = [ended]
        start = (began - first - paused).total_seconds()
        spans[number] = Span(start, start + (ended - began).total_seconds(), slot)
    return spans


def _end(record: TrialRecord, began: datetime, now: datetime | None) -> datetime:
    if record.ended is not None:
        return record.ended
    if record.outcome is Outcome.running and now is not None:
        return now
    return began + timedelta(seconds=record.seconds)  # as far as is known of one that was left
