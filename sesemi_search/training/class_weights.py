"""Weights of the classes in the loss, for data that has more of some than of others."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["class_weights"]


def class_weights(
    setting: str | Sequence[float] | None, labels: npt.NDArray[np.int64], num_classes: int
) -> Tensor | None:
    """Returns the weights that a loss gets.

    Args:
        setting: `data.class_weights`: None, `balanced`, or a number for each class.
        labels: (N,) the training images' classes.
        num_classes: K.

    Returns:
        (K,) float32, or None. Balanced ones are N / (K n) for a class with n images (King and Zeng, 2001): in all, each
        class weighs the same. One without images has 1.
    """
    if setting is None:
        return None
    if setting == "balanced":
        counts = np.bincount(labels, minlength=num_classes)
        weights = np.where(counts > 0, len(labels) / (num_classes * np.maximum(counts, 1)), 1.0)
        return torch.from_numpy(weights).float()
    return torch.tensor(setting, dtype=torch.float32)
