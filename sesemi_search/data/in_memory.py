"""Images in memory: the fast path from pixels to batches.

Pixels stay uint8, once per process and device. A batch is gathered by index, which copies: nothing that a model or a
transform does to its batch can reach the pixels, which a search shares between all trials of a machine. On the CPU the
array itself may be a read-only view of shared memory.
"""

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from sesemi_search.data.batching import Images
from sesemi_search.data.labelled import LabelledImages
from sesemi_search.data.preparation import Preparation

__all__ = ["InMemoryImages"]


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
