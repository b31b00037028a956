"""Which complete trials keep their checkpoints: the best ones, that of best.yaml before all others."""

from bisect import insort
from collections.abc import Sequence

from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Outcome, TrialRecord

__all__ = ["Checkpoints"]


class Checkpoints:
    """The complete trials of a search in their order, so that one more finds its place among them.

    Args:
        objectives: What the search optimizes.
        num_kept: Complete trials whose checkpoints stay.
        records: The search's trials so far.

    Attributes:
        kept: Numbers of the trials whose checkpoints stay.
    """

    def __init__(self, objectives: Objectives, num_kept: int, records: Sequence[TrialRecord]) -> None:
        self._objectives = objectives
        self._num_kept = num_kept
        complete = [record for record in records if record.outcome is Outcome.complete]
        self._ranked = sorted(map(self._rank, complete))
        self._front = self._distinct_front(complete)
        self.kept = self._choose()

    def add(self, record: TrialRecord) -> set[int]:
        """A trial is complete; returns the numbers of those whose checkpoints nobody needs any more."""
        insort(self._ranked, self._rank(record))
        # Whom another trial dominates is dominated for ever: the trials that are best come from the front.
        self._front = self._distinct_front([*self._front, record])
        before = self.kept | {record.number}
        self.kept = self._choose()
        return before - self.kept

    def _choose(self) -> set[int]:
        best = self._objectives.best(self._front)
        first = [] if best is None else [best.number]
        others = [number for _, number in self._ranked[: self._num_kept] if number not in first]
        return set([*first, *others][: self._num_kept])

    def _rank(self, record: TrialRecord) -> tuple[float, int]:
        """Orders trials by the first objective, the earlier of equals first."""
        assert record.value is not None, f"trial {record.number} is complete without a value"
        return (-record.value if self._objectives.first.maximize else record.value), record.number

    def _distinct_front(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Returns the front without the later ones of equals, of which there may be many and which are never taken."""
        front = reversed(self._objectives.front(records))
        return list({self._objectives.values(record): record for record in front}.values())
