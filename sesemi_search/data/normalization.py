"""Mean and standard deviation of the training images, where the config leaves them open."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sesemi_search.config.schema import DataConfig
from sesemi_search.data.stored import ImageSplit
from sesemi_search.errors import ConfigError

__all__ = ["fill_normalization"]

logger = logging.getLogger(__name__)

_MOST = 10_000  # images that are measured, evenly spaced: the third digit no longer moves
_CHUNK = 500


def fill_normalization(data: DataConfig, train: ImageSplit, quiet: bool = False) -> DataConfig:
    """Returns a data config whose `mean` and `std` are numbers: its own, or those of the training images.

    Args:
        data: The data config.
        train: The training split.
        quiet: Does not say what was measured.

    Raises:
        ConfigError: A channel is constant.
    """
    if data.mean is not None and data.std is not None:
        return data
    measured = _measure(train)
    # One number of gray images is that of all channels that they are repeated to.
    mean, std = ([round(float(v), 4) for v in np.broadcast_to(values, data.channels)] for values in measured)
    if data.std is None and min(std) == 0:
        raise ConfigError("data.std", f"got null, but the training images measure {std}; give numbers above 0.")
    filled = replace(data, mean=mean if data.mean is None else data.mean, std=std if data.std is None else data.std)
    if not quiet:
        logger.info(f"data.mean={filled.mean} and data.std={filled.std}, measured on train")
    return filled


def _measure(split: ImageSplit) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns mean and standard deviation of each channel, of pixel values in [0, 1]."""
    count, total, squares = 0, np.zeros(1), np.zeros(1)
    for pixels in _chunks(split):
        channels = pixels.transpose(1, 0, 2, 3).reshape(pixels.shape[1], -1)
        # Whole numbers, so that neither the order nor the size of the chunks shows in the last digit.
        total = total + channels.sum(axis=1, dtype=np.int64)
        squares = squares + np.square(channels, dtype=np.uint16).sum(axis=1, dtype=np.int64)
        count += channels.shape[1]
    mean = total / count
    return mean / 255, np.sqrt(np.maximum(squares / count - mean**2, 0)) / 255


def _chunks(split: ImageSplit) -> Iterator[npt.NDArray[np.uint8]]:
    indices = np.unique(np.linspace(0, len(split) - 1, min(_MOST, len(split))).astype(np.int64))
    for start in range(0, len(indices), _CHUNK):
        yield split.take(indices[start : start + _CHUNK])
