"""What a training run reports after an epoch, by name, and of what more is better. Computing it is `training`'s."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "BEST_METRIC",
    "IMAGE_SHARES",
    "METRICS",
    "METRICS_KEY",
    "SPLIT_METRICS",
    "Objective",
    "is_more_better",
    "measured_names",
]

METRICS_KEY = "learner.metrics"

# What every run reports, and whether more of it is better; None where neither is.
_ALWAYS = {
    "train/loss": False,
    "train/top1": True,
    "val/loss": False,
    "val/top1": True,
    "val/top1/best": True,
    "lr": None,
    "epoch_seconds": False,
}
METRICS = tuple(_ALWAYS)

# What `learner.metrics` switches on by name, of the validation split and of the test split, and whether more is better.
SPLIT_METRICS = {"top5": True, "balanced_accuracy": True, "macro_f1": True, "auroc": True, "calibration_error": False}

# Those that are a share of a split's images: their noise follows from how many there are.
IMAGE_SHARES = ("val/top1", "val/top1/best", "val/top5")

# By what the best epoch of a run is the best where `run.best_metric` leaves that open.
BEST_METRIC = "val/top1"


@dataclass(frozen=True)
class Objective:
    """One metric, and whether more of it is better."""

    name: str
    maximize: bool

    @property
    def mode(self) -> str:
        """`max` or `min`."""
        return "max" if self.maximize else "min"


def measured_names(metrics: Mapping[str, Any]) -> list[str]:
    """Returns the names in `learner.metrics` that are switched on."""
    return [name for name, setting in metrics.items() if setting]


def is_more_better(name: str, metrics: Mapping[str, Any]) -> bool | None:
    """Returns whether more of a metric is better, None where neither is or nobody said.

    Args:
        name: As it is reported, `val/macro_f1`.
        metrics: `learner.metrics`, of which a node may say it as `higher_is_better`.
    """
    if name in _ALWAYS:
        return _ALWAYS[name]
    last = name.partition("/")[2]
    node = metrics.get(last)
    return SPLIT_METRICS.get(last, node.get("higher_is_better") if isinstance(node, Mapping) else None)
