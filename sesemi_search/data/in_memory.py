"""Images in memory: the fast path from pixels to batches.

Pixels stay uint8, once per process and device. A batch is gathered by index, which copies: nothing that a model or a
transform does to its batch can reach the pixels, which a search shares between all trials of a machine. On the CPU the
array itself may be a read-only view of shared memory.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sesemi_search.data.augment import BatchTransform
from sesemi_search.data.labelled import LabelledImages
from sesemi_search.data.preparation import Preparation, seed_pass

__all__ = ["InMemoryImages"]


class InMemoryImages:
    """A split of a data set, held as uint8 on one device.

    Args:
        labelled: The split; images with 1 channel or with `channels` channels.
        mean: Mean of each channel, of pixel values in [0, 1].
        std: Standard deviation of each channel, of pixel values in [0, 1], above 0.
        channels: C of the batches; a gray image is repeated.
        device: Where the pixels are held and batches are made.
        transforms: Random transforms, applied to each batch on the device.

    Raises:
        ValueError: Channels, mean and std do not fit together.
    """

    def __init__(
        self,
        labelled: LabelledImages,
        mean: Sequence[float],
        std: Sequence[float],
        channels: int,
        device: torch.device | str = "cpu",
        transforms: Sequence[BatchTransform] = (),
    ) -> None:
        if labelled.images.shape[1] not in (1, channels):
            raise ValueError(f"{channels=}, but images are {labelled.images.shape}")
        self.labelled = labelled
        self._preparation = Preparation(mean, std, channels, device, transforms)
        self.device = self._preparation.device
        self._on_device: tuple[Tensor, Tensor] | None = None
        if self.device.type != "cpu":
            # np.array copies: torch cannot take a read-only array without a warning.
            self._on_device = (
                torch.from_numpy(np.array(labelled.images)).to(self.device),
                torch.from_numpy(np.array(labelled.labels)).to(self.device),
            )

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(N,) the classes."""
        return self.labelled.labels

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labelled)

    def num_batches(self, batch_size: int, drop_last: bool = False) -> int:
        """Returns how many batches one pass has."""
        return len(self) // batch_size if drop_last else -(-len(self) // batch_size)

    def batches(
        self, batch_size: int, order: Tensor | None = None, drop_last: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields batches that share no memory with the data or with each other.

        Args:
            batch_size: B, at least 1.
            order: (M,) int64 on the CPU, indices of images in the order to yield; None is all, in order.
            drop_last: Leaves out a last batch that is not full.

        Yields:
            Normalized images (B, C, H, W) float32 and labels (B,) int64, on the device.
        """
        indices = torch.arange(len(self)) if order is None else order
        if self._on_device is not None:
            indices = indices.to(self.device)  # once a pass, not once a batch
        generator = seed_pass() if self._preparation.is_random else None
        stop = len(indices) - len(indices) % batch_size if drop_last else len(indices)
        for start in range(0, stop, batch_size):
            pixels, labels = self._gather(indices[start : start + batch_size])
            yield self._preparation.finish(pixels, generator), labels

    def _gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Copies the images and labels at `indices`, still uint8."""
        if self._on_device is not None:
            images, labels = self._on_device
            return images.index_select(0, indices), labels.index_select(0, indices)
        # numpy's index makes a fresh, writable array even of a read-only one; torch views that without a warning.
        taken = indices.numpy()
        return torch.from_numpy(self.labelled.images[taken]), torch.from_numpy(self.labelled.labels[taken])
