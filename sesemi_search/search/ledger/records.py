"""What is known of a trial, as our own types: how trials end, what a worker reports, what the ledger holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

__all__ = ["Bar", "Given", "LossKind", "Origin", "Outcome", "TrialRecord", "TrialReport", "WorkerLoss"]


class Outcome(StrEnum):
    """How a trial ended, or that it has not.

    Only `complete` is a finished trial. The sampler learns from `complete`, `stopped`, `diverged`, `infeasible`,
    `out_of_memory` and `timed_out`; it never sees `error` and `lost`, nor a `duplicate`, which would train what another
    trial trains. `interrupted` waits to be resumed.
    """

    complete = "complete"
    stopped = "stopped"
    diverged = "diverged"
    infeasible = "infeasible"
    out_of_memory = "out_of_memory"
    timed_out = "timed_out"
    error = "error"
    lost = "lost"
    duplicate = "duplicate"
    interrupted = "interrupted"
    running = "running"

    @property
    def is_counted(self) -> bool:
        """Whether `search.num_trials` counts the trial: it was trained, or will be."""
        return self not in (Outcome.infeasible, Outcome.duplicate)

    @property
    def is_failure(self) -> bool:
        """Whether the trial ended with an error, whose text it keeps."""
        return self in (Outcome.error, Outcome.out_of_memory, Outcome.timed_out, Outcome.lost)


class Origin(StrEnum):
    """Where a trial's parameters come from."""

    sampled = "sampled"
    baseline = "baseline"
    enqueued = "enqueued"
    copied = "copied"


@dataclass(frozen=True)
class Given:
    """Parameters, by full name, that a trial is to have; what it has besides is sampled."""

    params: Mapping[str, Any]
    origin: Origin


@dataclass(frozen=True)
class TrialReport:
    """What a worker says after an epoch, or at the end of a trial.

    Attributes:
        number: The trial's number.
        epoch: Epochs finished, 0 when not even one is.
        metrics: The epoch's metrics by name; empty when the epoch did not end.
        outcome: None while the trial goes on.
        message: Traceback of an error, or a reason.
        node: Host that the trial runs on.
    """

    number: int
    epoch: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    outcome: Outcome | None = None
    message: str = ""
    node: str = ""


class LossKind(Enum):
    """Why a worker is gone: it or its node died, its GPU answers no more, or Ray ended it for the host's memory."""

    died = "died"
    gpu_lost = "gpu_lost"
    out_of_memory = "out_of_memory"


@dataclass(frozen=True)
class WorkerLoss:
    """A worker that is gone: the kind of reason, and the reason in Ray's words."""

    kind: LossKind
    text: str


@dataclass(frozen=True)
class Bar:
    """What a trial that was stopped had to reach.

    Attributes:
        epoch: The rung, the epoch after which it was judged.
        value: The worst value that passed there; None where none did, because too few had come.
        places: How many passed.
        num_rivals: Of how many, the trials that it is held against, itself among them.
    """

    epoch: int
    value: float | None
    places: int
    num_rivals: int


@dataclass(frozen=True)
class TrialRecord:
    """A trial as the ledger has it.

    Attributes:
        number: Its number, for ever.
        params: Sampled parameters by full name.
        values: The first objective by epoch, 1 to num_epochs.
        metrics: All metrics by epoch.
        outcome: How it ended, or `running` or `interrupted`.
        attempts: Times it was started.
        num_lost: Times its worker or node died.
        seconds: Wall seconds of training, all attempts together.
        num_params: Parameters of its model.
        flops: Floating-point operations of one forward pass of one image.
        digest: Hash of its resolved config; "" where it could not be built.
        duplicate_of: Number of the trial with the same config, of a `duplicate`.
        node: Host of the last attempt.
        message: Traceback or reason.
        origin: Where its parameters come from.
        bar: Of one that was stopped, what it had to reach; None where that is not known: other pruners than ours do not
            say, nor did earlier versions.
        copied_from: Of a trial of another search, that study's name and the number there: `name/7`.
        began: When its last attempt began, in local time; of one that waits, when the one before did. No part of what
            a trial is.
        ended: When it ended, likewise; None while it has not.
    """

    number: int
    params: Mapping[str, Any]
    values: Mapping[int, float]
    metrics: Mapping[int, Mapping[str, float]]
    outcome: Outcome
    attempts: int = 0
    num_lost: int = 0
    seconds: float = 0.0
    num_params: int | None = None
    flops: int | None = None
    digest: str = ""
    duplicate_of: int | None = None
    node: str = ""
    message: str = ""
    origin: Origin = Origin.sampled
    bar: Bar | None = None
    copied_from: str = ""
    began: datetime | None = field(default=None, compare=False, repr=False)
    ended: datetime | None = field(default=None, compare=False, repr=False)

    @property
    def is_ended(self) -> bool:
        """Whether it neither runs nor waits to go on."""
        return self.outcome not in (Outcome.running, Outcome.interrupted)

    @property
    def is_counted(self) -> bool:
        """Whether `search.num_trials` counts it: it was trained, or will be."""
        return self.outcome.is_counted

    @property
    def identity(self) -> str:
        """The same for two records exactly when they are copies of one trial: two studies may have one name."""
        return repr((self.copied_from, sorted(self.params.items()), sorted(self.values.items())))

    @property
    def epochs(self) -> int:
        """Epochs finished."""
        return max(self.values, default=0)

    @property
    def value(self) -> float | None:
        """The first objective after the last epoch that finished."""
        return self.values[self.epochs] if self.values else None
