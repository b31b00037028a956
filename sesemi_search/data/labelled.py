"""Labelled images as two arrays: what sources give, splits take apart and Ray's object store shares."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LabelledImages"]


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Decoded images and their classes. The arrays may be read-only, and shared between processes: never write to them.

    Attributes:
        images: (N, C, H, W) uint8, pixel values 0 to 255.
        labels: (N,) int64, classes from 0 on.

    Raises:
        ValueError: Shapes or types are others.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        """Holds the arrays to their shapes and types."""
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise ValueError(f"images: got {self.images.dtype} {self.images.shape}; they are uint8 (N, C, H, W)")
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int64:
            raise ValueError(f"labels: got {self.labels.dtype} {self.labels.shape}; they are int64 (N,) for N images")

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)

    def take(self, indices: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Returns copies of the images at `indices`, in that order: (B, C, H, W)."""
        taken: npt.NDArray[np.uint8] = self.images[indices]
        return taken

    def select(self, indices: npt.NDArray[Any]) -> "LabelledImages":
        """Returns a copy of the images at `indices`, in that order."""
        return LabelledImages(self.images[indices], self.labels[indices])
