"""What a final run comes to, and its `metrics.json`."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sesemi_search.atomic import atomic_file

__all__ = ["FinalResult", "FinalScore", "write_metrics"]


@dataclass(frozen=True)
class FinalScore:
    """The one look at the test split.

    Attributes:
        checkpoint: File that was scored, `best.pt` or `last.pt`.
        epoch: Epoch that it is of.
        loss: Mean loss of the test images.
        top1: Share of test images that are right, in [0, 1].
    """

    checkpoint: str
    epoch: int
    loss: float
    top1: float


@dataclass(frozen=True)
class FinalResult:
    """A final run that trained all its epochs.

    Attributes:
        run_dir: Its folder: last.pt, best.pt, model.pt and metrics.json.
        num_epochs: Epochs trained.
        best_epoch: The first epoch with the best val/top1.
        best_top1: That val/top1, in [0, 1].
        last_top1: val/top1 of the last epoch, in [0, 1].
        test: The test score.
    """

    run_dir: Path
    num_epochs: int
    best_epoch: int
    best_top1: float
    last_top1: float
    test: FinalScore

    def summary(self) -> dict[str, float | str]:
        """Returns the last words of the run, by metric name, for a tracker."""
        return {
            "val/top1": self.last_top1,
            "val/top1/best": self.best_top1,
            "best_epoch": self.best_epoch,
            "test/loss": self.test.loss,
            "test/top1": self.test.top1,
            "test/checkpoint": self.test.checkpoint,
            "test/epoch": self.test.epoch,
        }


def write_metrics(
    path: Path, outcome: str, history: Sequence[Mapping[str, float]], test: FinalScore | None = None
) -> None:
    """Writes `metrics.json` atomically: the outcome, every epoch, and the test score once there is one.

    Args:
        path: The file.
        outcome: `running`, `complete`, `diverged`, `interrupted` or `error`.
        history: Metrics of each epoch, in order.
        test: The test score, or None.
    """
    content = {
        "outcome": outcome,
        "epochs": [{"epoch": number, **_finite(metrics)} for number, metrics in enumerate(history, start=1)],
        "test": None if test is None else _finite(asdict(test)),
    }
    with atomic_file(path) as file:
        file.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _finite(values: Mapping[str, object]) -> dict[str, object]:
    """Returns the values with null for NaN and infinity, which JSON does not have."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}
