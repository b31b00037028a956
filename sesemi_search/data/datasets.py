"""Any map-style torch `Dataset` as a source.

A data set crosses processes as its `_target_` node and is built again there: what it opened (files, databases) would
not survive the journey.
"""

from collections.abc import Mapping, Sized
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from sesemi_search.config.targets import instantiate
from sesemi_search.data.decode import decode_value
from sesemi_search.data.stored import UnreadableImage
from sesemi_search.errors import ConfigError

__all__ = ["DatasetReader", "DatasetSource", "MapDataset"]

_PROBES = 16  # images whose own label is held against the list of all labels


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
        self.labels = self._find_labels(dataset)

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
            return decode_value(self._item(self._dataset, index)[0], size, channels)
        except ConfigError:
            raise
        except Exception as error:  # a user's code
            name = self._node["_target_"]
            raise UnreadableImage(f"{name}, image {index} ({type(error).__name__}: {error})") from error

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
            return _as_label(self._item(dataset, index)[1])
        except ConfigError:
            raise
        except Exception as error:
            name = self._node["_target_"]
            raise ConfigError(self._key, f"{name}[{index}] raised {type(error).__name__}: {error}") from error

    def _item(self, dataset: MapDataset, index: int) -> Any:
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            found = f"{type(item).__name__} of {len(item)}" if isinstance(item, Sized) else type(item).__name__
            raise ConfigError(
                self._key, f"{self._node['_target_']}[{index}] gave a {found}; it takes a pair (image, label)."
            )
        return item


class DatasetSource:
    """The source that a data set makes; with a test split where `data.test_source` names one."""

    def __init__(self, node: Mapping[str, Any], key: str, dataset: MapDataset) -> None:
        self.node = node
        self.key = key
        self.dataset = dataset

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
