"""Opens a split for a training loop, by one of two paths.

Pixels in memory with transforms that work on batches take the fast path. Pixels that stay where they are stored or that
a GPU has no room for, and transforms that work on one image at a time, go through a DataLoader. Both give the same
batches for the same seed.

On the fast path pixels stay uint8, once per process and device. A batch is gathered by index, which copies: nothing
that a model or a transform does to its batch can reach the pixels, which a search shares between all trials of a
machine. On the CPU the array itself may be a read-only view of shared memory. On the other path order, draws and
arithmetic are the same; the number of loader processes changes nothing but the speed.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_convert

from sesemi_search.config.schema import DataConfig, RunConfig
from sesemi_search.data.batching import Images, Preparation
from sesemi_search.data.memory import release_memory
from sesemi_search.data.stored import ImageSplit, LabelledImages
from sesemi_search.data.transforms import ImageTransform, apply_to_image, build_transforms

__all__ = ["Images", "InMemoryImages", "StreamedImages", "open_images"]

_Keys = list[tuple[int, int]]  # of a streamed batch: each image's index and seed


def open_images(
    name: str, split: ImageSplit, data: DataConfig, run: RunConfig, device: torch.device | str = "cpu"
) -> Images:
    """Prepares a split for a training loop.

    Args:
        name: `train`, `val` or `test`; only `train` is transformed.
        split: The split, as `load_splits` gives it.
        data: The data config, with `mean` and `std` as numbers.
        run: The run config, for the loader's processes.
        device: Where the batches go.

    Raises:
        ConfigError: A transform cannot be built.
    """
    assert data.mean is not None
    assert data.std is not None
    of_images, of_batches = build_transforms(data.train_transforms if name == "train" else None)
    preparation = Preparation(data.mean, data.std, data.channels, device, of_batches)
    if isinstance(split, LabelledImages) and not of_images and _fits(split, run.memory_share, preparation.device):
        return InMemoryImages(split, preparation)
    return StreamedImages(split, preparation, of_images, run.num_workers, run.prefetch_factor)


def _fits(split: LabelledImages, memory_share: float, device: torch.device) -> bool:
    """Whether a device has room for all pixels; the machine's memory, where they are, has."""
    if device.type != "cuda":
        return True

    def has_room() -> bool:
        free, _ = torch.cuda.mem_get_info(device)
        return split.images.nbytes <= memory_share * free

    if not has_room():
        release_memory(device)  # by this process's last trial; else its next one would stream the same images
    return has_room()


class InMemoryImages(Images):
    """A split of a data set, held as uint8 on one device.

    Args:
        labelled: The split; images with 1 channel or with as many as `preparation` makes.
        preparation: What happens to a batch; its device is where the pixels are held.

    Raises:
        ValueError: The images have other channels.
    """

    def __init__(self, labelled: LabelledImages, preparation: Preparation) -> None:
        if labelled.images.shape[1] not in (1, preparation.channels):
            raise ValueError(f"channels={preparation.channels}, but images are {labelled.images.shape}")
        super().__init__(labelled.labels, preparation)
        self._labelled = labelled
        self._on_device: tuple[Tensor, Tensor] | None = None
        if self.device.type != "cpu":
            with warnings.catch_warnings():
                # Of a read-only array; a copy of it in each worker of a machine might not fit into its memory.
                warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
                self._on_device = (
                    torch.from_numpy(labelled.images).to(self.device),
                    torch.from_numpy(labelled.labels).to(self.device),
                )

    def _read(self, order: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:  # noqa: ARG002
        if self._on_device is not None:
            order = order.to(self.device)  # once a pass, not once a batch
        for start in range(0, len(order), batch_size):
            yield self._gather(order[start : start + batch_size])

    def _gather(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Copies the images and labels at `indices`, still uint8."""
        if self._on_device is not None:
            images, labels = self._on_device
            return images.index_select(0, indices), labels.index_select(0, indices)
        # numpy's index makes a fresh, writable array even of a read-only one; torch views that without a warning.
        taken = indices.numpy()
        return torch.from_numpy(self._labelled.images[taken]), torch.from_numpy(self.labels[taken])


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
