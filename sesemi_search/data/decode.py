"""From what an image file or a data set holds to uint8 pixels of the size and the channels that a model takes.

PIL reads files. Whatever its mode, the outcome is gray or red, green and blue; what has no fixed range of values is
refused, not guessed.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional

from sesemi_search.errors import ConfigError

__all__ = ["StoredShape", "decode_file", "decode_value", "fit_square", "to_channels", "to_size"]

StoredShape = tuple[int, int, int]  # channels, height and width

_Pixels = npt.NDArray[np.uint8]
_CHUNK = 4096
# ITU-R 601, as PIL has it.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_ORIENTATION = 0x0112  # EXIF: how a camera was held


def decode_file(path: Path, size: int, channels: int, stored: StoredShape | None = None) -> _Pixels:
    """Reads an image file: its middle square, as (channels, size, size).

    Args:
        path: The file.
        size: Height and width to reach.
        channels: Channels to reach.
        stored: Of a model of images that a source held in arrays, the shape that they had there: the file gets it
            first, and from there goes the way that they went, so that one of gray images keeps 1 channel.

    Raises:
        OSError, SyntaxError, ValueError: It is no image, is cut short or has pixels without a range. PIL's other errors
            come out too.
        ConfigError: Other channels than 1 or 3.
    """
    if not path.is_file() and path.exists():
        raise ValueError("it is no regular file")  # a pipe would be waited for
    with Image.open(path) as image:
        # A JPEG decodes at a half, a quarter or an eighth of its size in less time; never below the size asked for.
        image.draft(None, (size, size) if stored is None else (stored[2], stored[1]))
        return _from_pil(image, size, channels, stored)


def decode_value(value: Any, size: int, channels: int, stored: StoredShape | None = None) -> _Pixels:
    """Converts what a data set gives for an image.

    Args:
        value: A PIL image; a tensor (C, H, W) or (H, W); an array (H, W, C) or (H, W). Integers are 8 or 16 bits wide,
            floats lie in [0, 1].
        size: Height and width to reach.
        channels: Channels to reach; of a gray image, 1 stays 1.
        stored: As of `decode_file`.

    Returns:
        (C, size, size), 0 to 255.

    Raises:
        ValueError: Another type, shape or range.
        ConfigError: A PIL image, to be read with other channels than 1 or 3.
    """
    if isinstance(value, Image.Image):
        return _from_pil(value, size, channels, stored)
    if isinstance(value, Tensor):
        array = value.detach().cpu().numpy()
    elif isinstance(value, np.ndarray):
        array = np.moveaxis(value, -1, 0) if value.ndim == 3 else value
    else:
        raise ValueError(
            f"got a {type(value).__name__}; an image is a PIL image, a tensor (C, H, W) or an array (H, W, C)"
        )
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            f"got shape {tuple(value.shape)}; a tensor is (C, H, W) or (H, W), an array (H, W, C) or (H, W)"
        )
    pixels = _to_uint8(array)
    if stored is not None:
        return _from_pil(_to_pil(to_channels(pixels[None], stored[0])[0]), size, channels, stored)
    return fit_square(to_channels(pixels[None], channels)[0], size)


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


def _from_pil(image: Image.Image, size: int, channels: int, stored: StoredShape | None) -> _Pixels:
    """Converts a PIL image of any mode to (channels, size, size), by way of the stored shape where there is one."""
    kept, height, width = stored or (channels, size, size)
    if channels not in (1, 3) or kept not in (1, 3):
        raise ConfigError("data.channels", f"got {channels}; image files are read with 1 or 3 channels.")
    if image.mode == "F":
        raise ValueError("its pixels are floats, which have no fixed range")
    upright = _upright(image)
    if upright.mode.startswith("I"):
        upright = Image.fromarray(_to_uint8(_as_16_bit(np.asarray(upright))))
    elif upright.mode == "P" and "transparency" in upright.info:
        upright = upright.convert("RGBA")
    pixels = upright.convert("L" if kept == 1 else "RGB")
    fitted = np.asarray(ImageOps.fit(pixels, (width, height), Image.Resampling.BILINEAR))
    array = np.ascontiguousarray(fitted[None] if kept == 1 else fitted.transpose(2, 0, 1))
    sized: _Pixels = to_size(to_channels(array[None], channels), size)[0]
    return sized


def _to_pil(pixels: _Pixels) -> Image.Image:
    """Returns gray or red, green and blue pixels (C, H, W) as a PIL image."""
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _upright(image: Image.Image) -> Image.Image:
    """Turns a photo as its camera was held."""
    image.load()  # errors of the pixels come from here, those of broken EXIF below are none
    try:
        turned = image.getexif().get(_ORIENTATION, 1) != 1
    except Exception:
        return image
    return ImageOps.exif_transpose(image) if turned else image


def _as_16_bit(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Returns integer pixels of any width as the 16 bits that PNG and TIFF files have."""
    if pixels.size and (pixels.min() < 0 or pixels.max() > 65535):
        raise ValueError("its pixels are 32 bits wide, which have no fixed range")
    return pixels.astype(np.uint16)


def _to_uint8(pixels: npt.NDArray[Any]) -> _Pixels:
    """Scales pixels to 0 to 255."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint16:
        return np.rint(pixels.astype(np.float32) / 257).astype(np.uint8)
    if pixels.dtype.kind != "f":
        raise ValueError(f"got {pixels.dtype} pixels; they are uint8, uint16, bool, or floats in [0, 1]")
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(
            f"got floats from {pixels.min():g} to {pixels.max():g}; they lie in [0, 1]. Normalization is data.mean and "
            "data.std: leave it out of the data set's own transform"
        )
    scaled: _Pixels = np.rint(pixels * 255).astype(np.uint8)
    return scaled


def _interpolate(images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    pixels = torch.from_numpy(images.astype(np.float32))
    resized = functional.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    array: npt.NDArray[np.uint8] = resized.round_().clamp_(0, 255).to(torch.uint8).numpy()
    return array
