"""A pass over a split: which images come in which batch, and what becomes of them. How they are read is the subclass's.

Of one seed a pass is the same whatever the subclass: all that is random is drawn here, or from the generator made here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sesemi_search.data.preparation import Preparation

__all__ = ["Images"]


class Images(ABC):
    """A split that gives batches on a device.

    Args:
        labels: (N,) the classes of all images, from 0 on.
        preparation: What happens to a batch on the device.
        is_random: Whether reading draws random numbers, besides what `preparation` draws.

    Attributes:
        labels: As given.
        device: Where the batches are.
    """

    def __init__(self, labels: npt.NDArray[np.int64], preparation: Preparation, is_random: bool = False) -> None:
        self.labels = labels
        self.device = preparation.device
        self._preparation = preparation
        self._is_random = is_random or preparation.is_random

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)

    def num_batches(self, batch_size: int, drop_last: bool = False) -> int:
        """Returns how many batches one pass over all images has."""
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
        order = torch.arange(len(self)) if order is None else order
        if drop_last:
            order = order[: len(order) - len(order) % batch_size]
        # Seeded from torch's own generator, which `seed_epoch` has set; where nothing is random, nothing is drawn.
        generator = torch.Generator()
        if self._is_random:
            generator.manual_seed(int(torch.randint(1 << 62, ())))
        for pixels, labels in self._read(order, batch_size, generator):
            yield self._preparation.finish(pixels, generator), labels

    @abstractmethod
    def _read(self, order: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the batches of `order` as they are stored.

        Yields:
            (B, C or 1, H, W) uint8 and labels (B,) int64, on the device, that share no memory with anything.
        """
