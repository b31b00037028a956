"""When a slot trained and when it did not, from the passes that its models noted (`stamped_lenet.py`)."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks.speed.task import STEPS_PER_EPOCH

__all__ = ["STAMPS", "Idle", "Stamp", "measure_idle", "read_stamps"]

STAMPS = "SESEMI_SEARCH_STAMPS"  # the environment variable that names the file


class Stamp(NamedTuple):
    """A pass of a model: the beginning of one of training, the end of one of evaluation.

    Attributes:
        time_s: Seconds since the epoch.
        process: Id of the process.
        model: Number of the model in its process.
        is_training: Whether it is a training step's.
    """

    time_s: float
    process: int
    model: int
    is_training: bool


class Idle(NamedTuple):
    """Seconds between the last evaluation pass of an epoch and the first step of the next in the same process."""

    between_epochs: list[float]
    between_trials: list[float]


def read_stamps(path: Path) -> list[Stamp]:
    """Returns the passes of all models that were trained for an epoch, by time.

    The check builds and runs models too: those have fewer passes.
    """
    rows = [line.split() for line in path.read_text().splitlines()]
    stamps = [Stamp(float(at), int(process), int(model), training == "1") for at, process, model, training in rows]
    steps = Counter((each.process, each.model) for each in stamps if each.is_training)
    return sorted(each for each in stamps if steps[each.process, each.model] >= STEPS_PER_EPOCH)


def measure_idle(stamps: Sequence[Stamp]) -> Idle:
    """Returns how long each slot did not train between two epochs of a trial, and between two trials."""
    by_process: dict[int, list[Stamp]] = defaultdict(list)
    for stamp in stamps:
        by_process[stamp.process].append(stamp)
    idle = Idle([], [])
    for passes in by_process.values():
        for before, after in pairwise(passes):
            if after.is_training and not before.is_training:
                same = before.model == after.model
                (idle.between_epochs if same else idle.between_trials).append(after.time_s - before.time_s)
    return idle
