"""Labelled images as they are kept: two arrays in memory, or where they are stored, decoded when they are asked for.

Arrays are what sources give, splits take apart and Ray's object store shares. The other kind is a part of a reader's
images; it crosses processes as its recipe (paths, a `_target_` node, indices), never as pixels.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sesemi_search.data.decode import to_channels, to_size
from sesemi_search.errors import SesemiSearchError

__all__ = [
    "ArrayReader",
    "ImageReader",
    "ImageSplit",
    "JoinedReader",
    "LabelledImages",
    "StoredImages",
    "UnreadableImage",
    "join_splits",
]


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


class UnreadableImage(SesemiSearchError):
    """An image that cannot be decoded; the text names it and says why."""


class ImageReader(Protocol):
    """Decodes labelled images one at a time. It can be pickled, and a copy reads the same.

    Attributes:
        labels: (N,) int64, classes from 0 on.
        is_file_reader: Whether each image is a file of its own, that several threads may read at once.
    """

    labels: npt.NDArray[np.int64]
    is_file_reader: bool

    def read(self, index: int, size: int, channels: int) -> npt.NDArray[np.uint8]:
        """Returns an image of the size that a model takes: (C, size, size), 0 to 255; C is `channels`, or 1 of gray.

        Raises:
            UnreadableImage: It cannot be decoded.
        """


class ImageSplit(Protocol):
    """A split as it is loaded: pixels in memory, or a recipe for them."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) int64, classes from 0 on."""

    def __len__(self) -> int:
        """The number of images."""

    def take(self, indices: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Returns the images at `indices`, in that order: (B, C, H, W), 0 to 255, in memory of their own."""

    def select(self, indices: npt.NDArray[Any]) -> "ImageSplit":
        """Returns a split of the images at `indices`, in that order, kept as these are."""


@dataclass(frozen=True, eq=False)
class StoredImages:
    """Some of a reader's images, decoded at each use.

    Attributes:
        reader: Decodes them.
        indices: (N,) which of the reader's images these are.
        image_size: Height and width that they get.
        channels: Channels that they get; gray ones may keep one.
    """

    reader: ImageReader
    indices: npt.NDArray[np.int64]
    image_size: int
    channels: int

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) int64, classes from 0 on."""
        return self.reader.labels[self.indices]

    def __len__(self) -> int:
        """The number of images."""
        return len(self.indices)

    def take(self, indices: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Decodes the images at `indices`, in that order: (B, C, H, W)."""
        size, channels = self.image_size, self.channels
        return np.stack([self.reader.read(int(index), size, channels) for index in self.indices[indices]])

    def select(self, indices: npt.NDArray[Any]) -> "StoredImages":
        """Returns the recipe of the images at `indices`, in that order."""
        return replace(self, indices=self.indices[indices])


class ArrayReader:
    """Images that a source holds in memory at their own size, for a split too large at the size of the model."""

    is_file_reader = False

    def __init__(self, labelled: LabelledImages) -> None:
        self.labelled = labelled
        self.labels = labelled.labels

    def read(self, index: int, size: int, channels: int) -> npt.NDArray[np.uint8]:
        """Returns an image (C, size, size)."""
        pixels: npt.NDArray[np.uint8] = to_size(to_channels(self.labelled.images[index : index + 1], channels), size)[0]
        return pixels


class JoinedReader:
    """Two splits as the images of one reader, those of the second after those of the first; each is kept as it is."""

    is_file_reader = False

    def __init__(self, first: ImageSplit, second: ImageSplit) -> None:
        self._splits = (first, second)
        self.labels = np.concatenate([first.labels, second.labels])

    def read(self, index: int, size: int, channels: int) -> npt.NDArray[np.uint8]:  # noqa: ARG002
        """Returns an image as its split has it, which is of the size that it was loaded for."""
        first, second = self._splits
        split, place = (first, index) if index < len(first) else (second, index - len(first))
        pixels: npt.NDArray[np.uint8] = split.take(np.array([place]))[0]
        return pixels


def join_splits(first: ImageSplit, second: ImageSplit, image_size: int, channels: int) -> ImageSplit:
    """Returns two splits as one, in memory where both are.

    Args:
        first: The one whose images come first.
        second: The other.
        image_size: Height and width of both.
        channels: Channels of both; gray ones may keep one.
    """
    if isinstance(first, LabelledImages) and isinstance(second, LabelledImages):
        images = np.concatenate([first.images, second.images])
        return LabelledImages(images, np.concatenate([first.labels, second.labels]))
    reader = JoinedReader(first, second)
    return StoredImages(reader, np.arange(len(reader.labels)), image_size, channels)
