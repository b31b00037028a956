"""Loads the parts of a source: into memory where they fit, else left where they are, checked, to be streamed.

A file that cannot be decoded is found here, before anything starts, with all others that cannot.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sesemi_search.config.schema import DataConfig
from sesemi_search.data.decode import to_channels, to_size
from sesemi_search.data.memory import available_bytes
from sesemi_search.data.stored import (
    ArrayReader,
    ImageReader,
    ImageSplit,
    LabelledImages,
    StoredImages,
    UnreadableImage,
)
from sesemi_search.errors import ConfigError

__all__ = ["Part", "load_parts"]

logger = logging.getLogger(__name__)

_SHOWN = 20
_PROBES = 16  # images of a data set of which one at least can be read, or none is taken to be readable
_Indices = npt.NDArray[np.int64]
_Keep = Callable[[int, npt.NDArray[np.uint8]], None]


@dataclass(frozen=True)
class Part:
    """Some of a reader's images, by their sorted indices."""

    reader: ImageReader
    indices: _Indices


class _Shape(NamedTuple):
    """What images are loaded as: (channels, size, size)."""

    channels: int
    size: int


def load_parts(
    parts: Mapping[str, Part],
    data: DataConfig,
    memory_share: float,
    later: Mapping[str, Part] | None = None,
) -> dict[str, ImageSplit]:
    """Loads parts, the smallest first, into memory as long as they fit.

    Args:
        parts: By the names of the splits.
        data: The data config, its image size settled.
        memory_share: Share of the available memory that the images may take, in [0, 1].
        later: Parts that are to be loaded another time, of whose files the broken ones are found now.

    Raises:
        ConfigError: Images cannot be decoded, with the path of each; or none is left.
    """
    assert data.image_size is not None, "whoever loads images has settled their size"
    shape = _Shape(data.channels, data.image_size)
    left = memory_share * available_bytes()
    loaded: dict[str, ImageSplit] = {}
    unreadable: list[str] = []
    empty: list[str] = []
    for name, part in sorted(parts.items(), key=lambda item: _num_bytes(item[1], shape)):
        _try_data_set(name, part, shape, data)
        size = _num_bytes(part, shape)
        fits = size <= left
        left -= size if fits else 0
        loaded[name], reasons = _decode(part, shape) if fits else _store(part, shape, data.skip_corrupt)
        unreadable += reasons
        if not len(loaded[name]):
            empty.append(name)
            continue
        place = (
            "in memory" if fits else f"streamed, as it is more than run.memory_share={memory_share:g} leaves room for"
        )
        logger.info(f"data: {name}, {len(loaded[name]):,} images ({size / 1e6:,.0f} MB), {place}")
    # Where broken files are left out, they are when the part is loaded.
    for name, part in ({} if data.skip_corrupt else later or {}).items():
        reasons = [reason for _, reason in _read_all(part, shape)] if part.reader.is_file_reader else []
        unreadable += reasons
        empty += [name] if len(reasons) == len(part.indices) else []
    _report_unreadable(unreadable, empty, data.skip_corrupt)
    return {name: loaded[name] for name in parts}


def _num_bytes(part: Part, shape: _Shape) -> int:
    """Returns the memory that a part takes once it is decoded."""
    is_gray = isinstance(part.reader, ArrayReader) and part.reader.labelled.images.shape[1] == 1
    return len(part.indices) * (1 if is_gray else shape.channels) * shape.size**2


def _decode(part: Part, shape: _Shape) -> tuple[LabelledImages, list[str]]:
    """Decodes a part; returns it and why images were left out."""
    if isinstance(part.reader, ArrayReader):
        labelled = part.reader.labelled.select(part.indices)
        return LabelledImages(to_size(to_channels(labelled.images, shape.channels), shape.size), labelled.labels), []
    images = np.empty((len(part.indices), shape.channels, shape.size, shape.size), dtype=np.uint8)

    def keep(position: int, pixels: npt.NDArray[np.uint8]) -> None:
        images[position] = pixels

    bad = dict(_read_all(part, shape, keep))
    good = np.setdiff1d(np.arange(len(images)), list(bad))
    labels = part.reader.labels[part.indices]
    labelled = LabelledImages(images, labels) if not bad else LabelledImages(images[good], labels[good])
    return labelled, list(bad.values())


def _store(part: Part, shape: _Shape, skip_corrupt: bool) -> tuple[StoredImages, list[str]]:
    """Leaves a part where it is, without the images that cannot be decoded; files are all tried."""
    bad: dict[int, str] = {}
    # One pass over a data set of a user's own may take an hour; its files, if it has any, are its own business.
    if part.reader.is_file_reader or (skip_corrupt and not isinstance(part.reader, ArrayReader)):
        bad = dict(_read_all(part, shape))
    good = np.delete(part.indices, list(bad))
    return StoredImages(part.reader, good, shape.size, shape.channels), list(bad.values())


def _read_all(part: Part, shape: _Shape, keep: _Keep | None = None) -> Iterator[tuple[int, str]]:
    """Reads every image of a part; yields the positions of those that cannot be, and why."""
    read = partial(_read_one, part, shape, keep)
    positions = range(len(part.indices))
    if not part.reader.is_file_reader:
        yield from filter(None, map(read, positions))
        return
    # PIL lets go of Python's lock while it decodes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(positions), 4096):  # a future each for a million files would be a gigabyte
            yield from filter(None, pool.map(read, positions[start : start + 4096]))


def _read_one(part: Part, shape: _Shape, keep: _Keep | None, position: int) -> tuple[int, str] | None:
    try:
        pixels = part.reader.read(int(part.indices[position]), shape.size, shape.channels)
        if keep is not None:
            keep(position, pixels)
    except UnreadableImage as error:
        return position, str(error)
    return None


def _try_data_set(name: str, part: Part, shape: _Shape, data: DataConfig) -> None:
    """Refuses a data set that gives no image as it should, before it is read to its end.

    Raises:
        ConfigError: Images from all over the part were tried, and none can be read.
    """
    if part.reader.is_file_reader or isinstance(part.reader, ArrayReader) or not len(part.indices):
        return
    read = partial(_read_one, part, shape, None)
    first = None
    for position in np.unique(np.linspace(0, len(part.indices) - 1, _PROBES).astype(int)).tolist():
        bad = read(position)
        if bad is None:
            return
        first = first or bad[1]
    key = "data.test_source" if name == "test" and data.test_source is not None else "data.source"
    raise ConfigError(key, f"none of the images tried for {name} can be read. The first: {first}")


def _report_unreadable(reasons: list[str], empty: list[str], skip: bool) -> None:
    """Refuses images that cannot be decoded, or says that they are left out; `empty` names parts that have no other."""
    more = [f"and {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else []
    shown = "".join(f"\n  {reason}" for reason in [*reasons[:_SHOWN], *more])
    images = f"{len(reasons)} image{'s' * (len(reasons) != 1)}"
    if empty:
        why = f"; {images} cannot be read:{shown}" if reasons else "."
        raise ConfigError("data.source", f"no image is left for {' and '.join(empty)}{why}")
    if reasons and not skip:
        raise ConfigError(
            "data.source", f"{images} cannot be read; mend or delete them, or set data.skip_corrupt=true:{shown}"
        )
    if reasons:
        logger.info(f"data.skip_corrupt: left out {images} that cannot be read:{shown}")
