"""Opens a split for a training loop, by one of two paths.

Pixels in memory with transforms that work on batches take the fast path. Pixels that stay where they are stored or that
a GPU has no room for, and transforms that work on one image at a time, go through a DataLoader. Both give the same
batches for the same seed.
"""

import torch

from sesemi_search.config.schema import DataConfig, RunConfig
from sesemi_search.data.batching import Images
from sesemi_search.data.in_memory import InMemoryImages
from sesemi_search.data.labelled import LabelledImages
from sesemi_search.data.memory import release_memory
from sesemi_search.data.preparation import Preparation
from sesemi_search.data.stored import ImageSplit
from sesemi_search.data.streamed import StreamedImages
from sesemi_search.data.transforms import build_transforms

__all__ = ["Images", "open_images"]


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
