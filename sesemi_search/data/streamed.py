"""Images from where they are stored to batches, through a torch DataLoader.

For what does not fit into memory, and for transforms that work on one image at a time. Order, draws and arithmetic are
those of `InMemoryImages`; the number of loader processes changes nothing but the speed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sesemi_search.data.preparation import Preparation, seed_pass
from sesemi_search.data.stored import ImageSplit
from sesemi_search.data.transforms import ImageTransform, apply_to_image

__all__ = ["StreamedImages"]

_Keys = list[tuple[int, int]]  # of a batch: each image's index and seed


class StreamedImages:
    """A split of a data set, decoded batch by batch.

    Args:
        split: The split.
        preparation: What happens to a batch on the device.
        image_transforms: Applied to each image in the loader, in order, before all else.
        channels: Channels of the images that these transforms get.
        num_workers: Loader processes; with 0 the training process loads.
        prefetch_factor: Batches that each loader process has ready.
    """

    def __init__(
        self,
        split: ImageSplit,
        preparation: Preparation,
        image_transforms: Sequence[ImageTransform] = (),
        channels: int = 3,
        num_workers: int = 0,
        prefetch_factor: int = 2,
    ) -> None:
        self._split = split
        self.labels = split.labels
        self._preparation = preparation
        self.device = preparation.device
        self._has_image_transforms = bool(image_transforms)
        self._plan = _Plan()
        self._loader: DataLoader[Any] = DataLoader(
            _Decoded(split, image_transforms, channels),
            batch_sampler=self._plan,
            num_workers=num_workers,
            collate_fn=_as_it_is,
            pin_memory=self.device.type == "cuda",
            # torch refuses a number here when there are no processes to do it.
            prefetch_factor=prefetch_factor if num_workers else None,
            persistent_workers=num_workers > 0,
            # Else it would draw from torch's own generator, and dropout would differ from that of the other path.
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        """The number of images."""
        return len(self._split)

    def num_batches(self, batch_size: int, drop_last: bool = False) -> int:
        """Returns how many batches one pass has."""
        return len(self) // batch_size if drop_last else -(-len(self) // batch_size)

    def batches(
        self, batch_size: int, order: Tensor | None = None, drop_last: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields batches, as `InMemoryImages.batches` does.

        Args:
            batch_size: B, at least 1.
            order: (M,) int64 on the CPU, indices of images in the order to yield; None is all, in order.
            drop_last: Leaves out a last batch that is not full.

        Yields:
            Normalized images (B, C, H, W) float32 and labels (B,) int64, on the device.
        """
        indices = torch.arange(len(self)) if order is None else order
        generator = seed_pass() if self._preparation.is_random or self._has_image_transforms else None
        seeds = torch.zeros_like(indices)
        if self._has_image_transforms:
            seeds = torch.randint(1 << 62, (len(indices),), generator=generator)
        stop = len(indices) - len(indices) % batch_size if drop_last else len(indices)
        self._plan.fill(indices[:stop], seeds[:stop], batch_size)
        for pixels, labels in self._loader:
            on_device = pixels.to(self.device, non_blocking=True)
            yield self._preparation.finish(on_device, generator), labels.to(self.device, non_blocking=True)


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


def _as_it_is(batch: Any) -> Any:
    return batch
