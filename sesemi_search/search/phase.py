"""A phase of a final run: what it does otherwise than a search, of which it is one in a directory of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from omegaconf import DictConfig

from sesemi_search.search.ledger.records import Given, TrialRecord
from sesemi_search.tracking.tracker import RunStart

__all__ = ["CANDIDATE", "SEED", "Phase", "is_phase"]

# The dimensions of a phase, which no space over an experiment has.
CANDIDATE, SEED = "candidate", "seed"


@dataclass(frozen=True)
class Phase:
    """A search all of whose trials are given, each by those before it.

    Attributes:
        job_type: What its runs are in Weights & Biases, `confirm` or `final`.
        group: The group of its runs: that of the search which it ends.
        command: What goes on with it.
        propose: Returns what the next trial tries, by the trials so far; None while that depends on trials that run,
            and when none is left.
    """

    job_type: str
    group: str
    command: str
    propose: Callable[[Sequence[TrialRecord]], Given | None]

    def label(self, run: RunStart) -> RunStart:
        """Returns the beginning of a trial's run as one of this phase."""
        return replace(run, job_type=self.job_type, group=self.group)


def is_phase(config: DictConfig) -> bool:
    """Whether the config of a search directory is that of a phase of a final run."""
    return isinstance(config.space, DictConfig) and set(config.space) == {CANDIDATE, SEED}
