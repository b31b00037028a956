"""Brings decoded images to the size and the channels that a model takes."""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from sesemi_search.errors import ConfigError

__all__ = ["fit_square", "to_channels", "to_size"]

_CHUNK = 4096
# ITU-R 601, as PIL has it.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def to_size(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Returns images of `size` x `size` pixels, from an array of images of one size.

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


def fit_square(image: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Returns the middle square of an image (C, H, W) as `size` x `size` pixels, as image files are read."""
    _, height, width = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[:, top : top + side, left : left + side]
    return square if side == size else _interpolate(square[None], size)[0]


def to_channels(images: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.uint8]:
    """Returns images (N, C, H, W) as a model with `channels` takes them: gray ones as they are, colors as gray for one.

    Raises:
        ConfigError: Other channels than that.
    """
    found = images.shape[1]
    if found in (1, channels):
        return images
    if (found, channels) != (3, 1):
        raise ConfigError(
            "data.channels",
            f"got {channels}, but the images have {found}; only gray ones are repeated, and only red, "
            "green and blue made gray.",
        )
    gray = np.empty((len(images), 1, *images.shape[2:]), dtype=np.uint8)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].astype(np.float32)
        gray[start : start + _CHUNK, 0] = np.rint(np.einsum("nchw,c->nhw", chunk, _LUMA))
    return gray


def _interpolate(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    pixels = torch.from_numpy(images.astype(np.float32))
    resized = functional.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    array: npt.NDArray[np.uint8] = resized.round_().clamp_(0, 255).to(torch.uint8).numpy()
    return array
