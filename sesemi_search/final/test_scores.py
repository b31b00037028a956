"""What a model is worth on the test split: its scores, each of what it is a share of, and how sure they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from sesemi_search.data.images import Images
from sesemi_search.final.intervals import Interval, wilson_interval

__all__ = ["Scores", "predict", "score"]

_TINY = 1e-300  # in the place of a probability that is 0 in double precision
_BINS = 15  # of confidence, as Guo et al. 2017 take for the calibration error


@dataclass(frozen=True)
class Scores:
    """The scores of one model; shares lie in [0, 1].

    Attributes:
        num_images: Images that were scored.
        top1: Share of them that are right.
        interval: Wilson's 95% interval of top1: what other test images of the same kind might give.
        balanced_accuracy: Mean over the classes of the share that is right.
        macro_f1: Mean over the classes of F1.
        calibration_error: Mean distance of the model's confidence from the share that is right (15 bins; Guo et al.
            2017).
        per_class: Share that is right of each class; None of one without images.
        confusion: Counts (K, K), a row for each class and a column for what it was taken for.
        loss: Mean negative log of the probability of the right class, in nats.
        others: What `learner.metrics` has on, by name.
    """

    num_images: int
    top1: float
    interval: Interval
    balanced_accuracy: float
    macro_f1: float
    calibration_error: float
    per_class: list[float | None]
    confusion: list[list[int]]
    loss: float
    others: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Returns them as JSON has them, every metric beside the others."""
        scores = {name: value for name, value in vars(self).items() if name != "others"}
        return {**self.others, **scores, "interval": list(self.interval)}


@torch.no_grad()
def predict(
    model: nn.Module, images: Images, batch_size: int, dtype: torch.dtype | None = None
) -> npt.NDArray[np.float64]:
    """Returns the probabilities (N, K) that a model gives all images of a split.

    Args:
        model: Images (B, C, H, W) to logits (B, K), on the images' device; it is left in evaluation mode.
        images: The split.
        batch_size: B.
        dtype: Of autocast; None for none.
    """
    model.eval()
    parts = []
    for batch, _ in images.batches(batch_size):
        with torch.autocast(images.device.type, dtype, enabled=dtype is not None):
            logits = model(batch)
        parts.append(logits.double().softmax(dim=1).cpu())
    return torch.cat(parts).numpy()


def score(
    probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], others: Mapping[str, float] | None = None
) -> Scores:
    """Scores the answers to images.

    Args:
        probabilities: (N, K), each row of an image.
        labels: (N,) its class.
        others: What else was measured, by name.
    """
    num_images, num_classes = probabilities.shape
    answers = probabilities.argmax(axis=1)
    confusion = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(confusion, (labels, answers), 1)
    right, of_class, answered = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    present = of_class > 0
    recall = right[present] / of_class[present]
    f1 = 2 * right / np.maximum(of_class + answered, 1)
    seen = of_class + answered > 0  # a class that is neither there nor answered says nothing of the model
    num_right = int(right.sum())
    return Scores(
        num_images=num_images,
        top1=num_right / num_images,
        interval=wilson_interval(num_right, num_images),
        balanced_accuracy=float(recall.mean()),
        macro_f1=float(f1[seen].mean()),
        calibration_error=_calibration_error(probabilities.max(axis=1), answers == labels),
        per_class=[float(r / n) if n else None for r, n in zip(right, of_class, strict=True)],
        confusion=confusion.tolist(),
        loss=float(-np.log(np.maximum(probabilities[np.arange(num_images), labels], _TINY)).mean()),
        others=others or {},
    )


def _calibration_error(confidence: npt.NDArray[np.float64], is_right: npt.NDArray[np.bool_]) -> float:
    """Returns the expected calibration error over bins of equal width."""
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(float((confidence[bins == b] - is_right[bins == b]).sum())) for b in range(_BINS)]
    return sum(gaps) / len(confidence)
