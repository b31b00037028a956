"""What happens to a batch of pixels on the device: random transforms, then normalization. The same for every path."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sesemi_search.data.augment import BatchTransform

__all__ = ["Preparation"]


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
