"""Where labelled images come from.

A source is any object with `train()`; one that has a validation or a test split of its own also has `val()` or
`test()`, and those methods are how it is known. A source gives images as they are stored: sizes, splits and
normalization are not its business. One that knows the size of its training set, or its classes, without reading it says
so as `num_train` and `num_classes` (see `sesemi_search.data.classes`). A map-style torch `Dataset` is a source too: its
images are the training set. It crosses processes as its `_target_` node and is built again there: what it opened
(files, databases) would not survive the journey.
"""

import inspect
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from sesemi_search.config.targets import check_target, instantiate, locate
from sesemi_search.data.decode import decode_value
from sesemi_search.data.published import CIFAR10, CIFAR100, MNIST, STL10, FashionMNIST, MNIST5k
from sesemi_search.data.stored import ImageReader, LabelledImages, UnreadableImage
from sesemi_search.errors import ConfigError, Problem, describe_exception, user_code

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

_PROBES = 16  # images whose own label is held against the list of all labels


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


def check_source(node: object, key: str = SOURCE_KEY) -> list[Problem]:
    """Returns what is wrong with the node of a source, without building it."""
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
        key,
        f"{type(source).__name__} has no method train(), which returns the training set as "
        "sesemi_search.data.LabelledImages, and is no map-style data set, which has __len__ and __getitem__.",
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


@runtime_checkable
class MapDataset(Protocol):
    """What torch calls a map-style data set: a length, and an image and its label for each index."""

    def __len__(self) -> int:
        """The number of images."""

    def __getitem__(self, index: int) -> Any:
        """Returns an image and its label."""


class DatasetReader:
    """Reads a data set's images.

    Args:
        node: The data set's `_target_` node.
        key: The node's key, for messages.
        dataset: What was built of it in this process.

    Raises:
        ConfigError: It gives no pairs of an image and a class.
    """

    is_file_reader = False

    def __init__(self, node: Mapping[str, Any], key: str, dataset: MapDataset) -> None:
        self._node = dict(node)
        self._key = key
        self._dataset: MapDataset | None = dataset
        try:
            with user_code():
                self.labels = self._find_labels(dataset)
        except ConfigError:
            raise
        except Exception as error:  # of `__len__`, of a list of labels
            name = node["_target_"]
            raise ConfigError(key, f"{name} does not give its labels: {describe_exception(error)}") from error

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the data set behind."""
        return {**self.__dict__, "_dataset": None}

    def read(self, index: int, size: int, channels: int) -> npt.NDArray[np.uint8]:
        """Returns an image (C, size, size).

        Raises:
            UnreadableImage: The data set raises, or what it gives is no image.
        """
        if self._dataset is None:
            self._dataset = instantiate(self._node, self._key)
        try:
            with user_code():
                return decode_value(self._item(self._dataset, index)[0], size, channels)
        except ConfigError:
            raise
        except Exception as error:  # a user's code
            name = self._node["_target_"]
            raise UnreadableImage(f"{name}, image {index} ({describe_exception(error)})") from error

    def _find_labels(self, dataset: MapDataset) -> npt.NDArray[np.int64]:
        """Returns all labels: the data set's own list of them, if it is one, else by reading every image."""
        count = len(dataset)
        for name in ("targets", "labels"):
            listed = getattr(dataset, name, None)
            if isinstance(listed, list | tuple | np.ndarray | torch.Tensor) and len(listed) == count > 0:
                probes = np.unique(np.linspace(0, count - 1, _PROBES).astype(int)).tolist()
                # A transform of the labels, or a subset, may make them others than the list.
                if all(self._agrees(dataset, i, listed[i]) for i in probes):
                    return np.array([_as_label(label) for label in listed], dtype=np.int64)
        return np.array([self._label(dataset, index) for index in range(count)], dtype=np.int64)

    def _agrees(self, dataset: MapDataset, index: int, listed: Any) -> bool:
        """Whether an image has the label that it is listed with; one that cannot be read does not count."""
        try:
            with user_code():
                label = self._item(dataset, index)[1]
        except ConfigError:
            raise
        except Exception:
            return True
        try:
            return _as_label(listed) == _as_label(label)
        except TypeError:
            return False

    def _label(self, dataset: MapDataset, index: int) -> int:
        try:
            with user_code():
                return _as_label(self._item(dataset, index)[1])
        except ConfigError:
            raise
        except Exception as error:
            name = self._node["_target_"]
            raise ConfigError(self._key, f"{name}[{index}] raised {describe_exception(error)}") from error

    def _item(self, dataset: MapDataset, index: int) -> Any:
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            found = f"{type(item).__name__} of {len(item)}" if isinstance(item, Sized) else type(item).__name__
            raise ConfigError(
                self._key, f"{self._node['_target_']}[{index}] gave a {found}; it takes a pair (image, label)."
            )
        return item


@dataclass(frozen=True)
class DatasetSource:
    """The source that a data set makes; with a test split where `data.test_source` names one."""

    node: Mapping[str, Any]
    key: str
    dataset: MapDataset

    def train(self) -> DatasetReader:
        """Returns all images of the data set."""
        return DatasetReader(self.node, self.key, self.dataset)


def _as_label(value: Any) -> int:
    """Returns a label as an int.

    Raises:
        TypeError: It is no whole number.
    """
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"the label is {value!r}; it takes a whole number from 0 on")
    return int(value)
