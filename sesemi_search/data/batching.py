"""A pass over a split: which images come in which batch, and what becomes of them. How they are read is the subclass's.

What becomes of them on the device, random transforms and then normalization, is the same for every path.

Of one seed a pass is the same whatever the subclass: all that is random is drawn here, or from the generator made here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sesemi_search.data.augment import BatchTransform

__all__ = ["Images", "Preparation"]


class Preparation:
    """Makes of uint8 pixels what a model gets.

    Args:
        mean: Mean of each channel, of pixel values in [0, 1].
        std: Standard deviation of each channel, of pixel values in [0, 1], above 0.
        channels: C of the batches; a gray image is repeated.
        device: Where the pixels come and the batches are made.
        transforms: Applied in order before the normalization, each with an independent draw for every image.

    Attributes:
        channels: As given.
        device: As given.

    Raises:
        ValueError: Channels, mean and std do not fit together.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        channels: int,
        device: torch.device | str = "cpu",
        transforms: Sequence[BatchTransform] = (),
    ) -> None:
        if len(mean) != channels or len(std) != channels:
            raise ValueError(f"{channels=}, but {mean=}, {std=}")
        self.channels = channels
        self.device = torch.device(device)
        self._transforms = tuple(transforms)
        # (x / 255 - mean) / std as one multiplication and one addition, broadcast from gray to C channels on the way.
        deviation = 255 * torch.tensor(std, dtype=torch.float64)
        offset = -torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
        self._scale = (1 / deviation).float().view(1, -1, 1, 1).to(self.device)
        self._offset = offset.float().view(1, -1, 1, 1).to(self.device)

    @property
    def is_random(self) -> bool:
        """Whether a pass draws random numbers."""
        return bool(self._transforms)

    def finish(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Transforms and normalizes a batch.

        Args:
            pixels: (B, C or 1, H, W) uint8 on the device, which the caller does not need any more.
            generator: Of the pass, on the CPU; only drawn from when there are transforms.

        Returns:
            (B, C, H, W) float32.
        """
        for transform in self._transforms:
            # Drawn on the CPU: a GPU then sees the same crops and flips.
            drawn = transform.draw(pixels.shape, generator)
            pixels = transform.apply(pixels, drawn.to(self.device, non_blocking=True))
        return torch.addcmul(self._offset, pixels.float(), self._scale)


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
