"""Images from where they are stored to batches, through a torch DataLoader.

For what does not fit into memory, and for transforms that work on one image at a time. Order, draws and arithmetic are
those of `InMemoryImages`; the number of loader processes changes nothing but the speed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_convert

from sesemi_search.data.batching import Images, Preparation
from sesemi_search.data.stored import ImageSplit
from sesemi_search.data.transforms import ImageTransform, apply_to_image

__all__ = ["StreamedImages"]

_Keys = list[tuple[int, int]]  # of a batch: each image's index and seed


class StreamedImages(Images):
    """A split of a data set, decoded batch by batch.

    Args:
        split: The split.
        preparation: What happens to a batch on the device.
        image_transforms: Applied to each image in the loader, in order, before all else.
        num_workers: Loader processes; with 0 the training process loads.
        prefetch_factor: Batches that each loader process has ready.
    """

    def __init__(
        self,
        split: ImageSplit,
        preparation: Preparation,
        image_transforms: Sequence[ImageTransform] = (),
        num_workers: int = 0,
        prefetch_factor: int = 2,
    ) -> None:
        self._has_image_transforms = bool(image_transforms)
        super().__init__(split.labels, preparation, is_random=self._has_image_transforms)
        self._plan = _Plan()
        self._loader: DataLoader[Any] = DataLoader(
            _Decoded(split, image_transforms, preparation.channels),
            batch_sampler=self._plan,
            num_workers=num_workers,
            collate_fn=default_convert,
            pin_memory=self.device.type == "cuda",
            # torch refuses a number here when there are no processes to do it.
            prefetch_factor=prefetch_factor if num_workers else None,
            persistent_workers=num_workers > 0,
            # Else it would draw from torch's own generator, and dropout would differ from that of the other path.
            generator=torch.Generator(),
        )

    def _read(self, order: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        seeds = torch.zeros_like(order)
        if self._has_image_transforms:
            seeds = torch.randint(1 << 62, (len(order),), generator=generator)
        self._plan.fill(order, seeds, batch_size)
        for pixels, labels in self._loader:
            yield pixels.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)


class _Plan:
    """The batches of a pass, as DataLoader asks for them; filled anew for each pass."""

    def __init__(self) -> None:
        self.fill(torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64), 1)

    def fill(self, indices: Tensor, seeds: Tensor, batch_size: int) -> None:
        """Takes the images of a pass, in order, and the seed of each."""
        self._indices, self._seeds, self._batch_size = indices, seeds, batch_size

    def __iter__(self) -> Iterator[_Keys]:
        for start in range(0, len(self._indices), self._batch_size):
            batch = slice(start, start + self._batch_size)
            yield list(zip(self._indices[batch].tolist(), self._seeds[batch].tolist(), strict=True))

    def __len__(self) -> int:
        return -(-len(self._indices) // self._batch_size)


class _Decoded(Dataset[Any]):
    """Decodes the images of a batch, in a loader process or in this one."""

    def __init__(self, split: ImageSplit, transforms: Sequence[ImageTransform], channels: int) -> None:
        self._split = split
        self._labels = split.labels
        self._transforms = transforms
        self._channels = channels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitems__(self, keys: _Keys) -> tuple[Tensor, Tensor]:
        """Returns uint8 images (B, C, H, W) and labels (B,); torch's loader calls this where it is there."""
        indices = np.array([index for index, _ in keys], dtype=np.int64)
        pixels = torch.from_numpy(self._split.take(indices))
        if self._transforms:
            # Gray ones with all their channels: a user's transform need not know of a saving of ours.
            whole = pixels.expand(-1, self._channels, -1, -1)
            images = [
                apply_to_image(self._transforms, image, seed) for image, (_, seed) in zip(whole, keys, strict=True)
            ]
            pixels = torch.stack(images)
        return pixels, torch.from_numpy(self._labels[indices])
