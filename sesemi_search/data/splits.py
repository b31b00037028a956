"""The train, validation and test splits of a data config.

Validation images are always carved from the training set; test images are too where the source has no test split of its
own. Which image goes where depends on the labels, the sizes and `data.split_seed` alone, so a search that asks for
train and val and a final run that asks for test later see the same three disjoint splits.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sesemi_search.config.errors import ConfigError
from sesemi_search.config.schema import DataConfig
from sesemi_search.data.labelled import LabelledImages
from sesemi_search.data.resize import to_size
from sesemi_search.data.sources import Source, SourceWithTest, build_source

__all__ = ["SPLITS", "check_labels", "load_splits"]

SPLITS = ("train", "val", "test")


def load_splits(data: DataConfig, data_root: Path, names: Sequence[str]) -> dict[str, LabelledImages]:
    """Loads the splits `names`, of which an official test split is read only when asked for.

    Args:
        data: The data config.
        data_root: Folder of data sets.
        names: Of `train`, `val`, `test`.

    Returns:
        By name: images of `data.image_size` pixels a side with the channels they are stored with.

    Raises:
        ConfigError: The source cannot be built or read, a size does not fit, or channels do not.
    """
    unknown = set(names) - set(SPLITS)
    assert not unknown, f"no such splits: {unknown}"
    source = build_source(data.source, data_root)
    _check_test_size(source, data.test_size)
    splits: dict[str, LabelledImages] = {}
    if set(names) - {"test"} or data.test_size is not None:
        everything = source.train()
        parts = _carve(everything.labels, data)
        splits = {name: everything.select(parts[name]) for name in names if name in parts}
    if "test" in names and isinstance(source, SourceWithTest):
        splits["test"] = source.test()
    return {name: _prepare(splits[name], data) for name in names}


def check_labels(labelled: LabelledImages, num_classes: int) -> None:
    """Checks that every label is a class of the model.

    Raises:
        ConfigError: A label lies outside [0, num_classes).
    """
    low, high = int(labelled.labels.min()), int(labelled.labels.max())
    if low < 0 or high >= num_classes:
        raise ConfigError(
            f"learner.hparams.num_classes: got {num_classes}, but the data has labels from {low} to {high}; "
            f"classes count from 0, so it takes at least {high + 1}."
        )


def _check_test_size(source: Source, test_size: int | None) -> None:
    """Checks that there is exactly one test split: the source's own or a carved one."""
    name = type(source).__name__
    if test_size is None and not isinstance(source, SourceWithTest):
        raise ConfigError(
            f"data.test_size: got None, but {name} has no test split of its own; it takes a number of images."
        )
    if test_size is not None and isinstance(source, SourceWithTest):
        raise ConfigError(f"data.test_size: got {test_size}, but {name} has a test split of its own; it takes null.")


def _carve(labels: npt.NDArray[np.int64], data: DataConfig) -> dict[str, npt.NDArray[np.int64]]:
    """Returns the sorted indices of each split of a training set."""
    sizes = {"test": data.test_size, "val": data.val_size}
    held_out = data.val_size + (data.test_size or 0)
    if held_out >= len(labels):
        keys = "data.val_size" if data.test_size is None else "data.val_size + data.test_size"
        raise ConfigError(
            f"{keys}: got {held_out}, but the training set has {len(labels)} images; leave some to train with."
        )
    # Test first: a change of val_size must not move test images.
    rest = np.arange(len(labels))
    parts = {}
    for stream, (name, size) in enumerate(sizes.items()):
        if size is not None:
            taken = _stratified(labels[rest], size, np.random.default_rng([data.split_seed, stream]))
            parts[name] = rest[taken]
            rest = rest[~taken]
    return {**parts, "train": rest}


def _stratified(labels: npt.NDArray[np.int64], size: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Returns a mask of `size` images that has each class in its proportion, to within one image."""
    classes, counts = np.unique(labels, return_counts=True)
    shares = size * counts / len(labels)
    quotas = np.floor(shares).astype(np.int64)
    # Largest remainders first; a stable sort settles ties by class, the same on every machine.
    for position in np.argsort(-(shares - quotas), kind="stable")[: size - quotas.sum()]:
        quotas[position] += 1
    mask = np.zeros(len(labels), dtype=np.bool_)
    for label, quota in zip(classes, quotas, strict=True):
        mask[rng.permutation(np.flatnonzero(labels == label))[:quota]] = True
    return mask


def _prepare(labelled: LabelledImages, data: DataConfig) -> LabelledImages:
    """Brings a split to the size of the config, and checks that its channels can become the config's."""
    channels = labelled.images.shape[1]
    if channels not in (1, data.channels):
        raise ConfigError(
            f"data.channels: got {data.channels}, but the images have {channels}; only gray ones are repeated."
        )
    return LabelledImages(to_size(labelled.images, data.image_size), labelled.labels)
