"""Brings stored images to the size that a model takes, once, when the data is loaded."""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

__all__ = ["to_size"]

_CHUNK = 4096


def to_size(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Returns images of `size` x `size` pixels.

    Gray images that are up to a quarter too small get a border of zeros (28 becomes 32 with 2 pixels a side, as LeNet-5
    has it: LeCun et al., 1998); that keeps every pixel. All others are resized with bilinear interpolation and
    antialiasing. Images that have the size already are returned as they are.

    Args:
        images: (N, C, H, W), 0 to 255.
        size: Height and width to reach, at least 1.

    Returns:
        (N, C, size, size), 0 to 255.
    """
    _, channels, height, width = images.shape
    if (height, width) == (size, size):
        return images
    if channels == 1 and all(0 <= size - side <= side / 4 for side in (height, width)):
        rows, columns = size - height, size - width
        border = ((0, 0), (0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))
        return np.pad(images, border)
    # In chunks: the floats of a whole data set would take four times its memory.
    chunks = [_interpolate(images[start : start + _CHUNK], size) for start in range(0, len(images), _CHUNK)]
    return np.concatenate(chunks)


def _interpolate(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    pixels = torch.from_numpy(images.astype(np.float32))
    resized = functional.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    array: npt.NDArray[np.uint8] = resized.round_().clamp_(0, 255).to(torch.uint8).numpy()
    return array
