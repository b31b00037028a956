"""The train, validation and test splits of a data config.

Validation images are carved from the training set where the source has no validation split of its own, and test images
where it has no test split of its own. Which image goes where depends on the labels, the sizes and `data.split_seed`
alone, so a search that asks for train and val and a final run that asks for test later see the same three disjoint
splits.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sesemi_search.config.schema import DataConfig, RunConfig
from sesemi_search.config.targets import locate
from sesemi_search.data.decode import to_channels
from sesemi_search.data.loading import Part, load_parts
from sesemi_search.data.sources import SOURCE_KEY, TEST_SOURCE_KEY, Source, SourceWithTest, SourceWithVal, build_source
from sesemi_search.data.stored import ArrayReader, ImageReader, ImageSplit, LabelledImages
from sesemi_search.errors import ConfigError, Problem, raise_problems, user_code

__all__ = [
    "SPLITS",
    "check_labels",
    "count_train_images",
    "describe_balance",
    "describe_classes",
    "load_source",
    "load_splits",
]

SPLITS = ("train", "val", "test")
_MAX_LISTED = 20  # classes that are named one by one
_FRACTION_STREAM = 2  # the seed's streams 0 and 1 are those of test and val


class _Labelled(Protocol):
    @property
    def labels(self) -> npt.NDArray[np.int64]: ...


@user_code()
def load_splits(
    data: DataConfig,
    data_root: Path,
    names: Sequence[str],
    memory_share: float = RunConfig.memory_share,
    later: Sequence[str] = (),
) -> dict[str, ImageSplit]:
    """Loads the splits `names`, of which an official test split is read only when asked for.

    Args:
        data: The data config, its image size settled.
        data_root: Folder of data sets.
        names: Of `train`, `val`, `test`.
        memory_share: Share of the available memory that images may take; what does not fit stays where it is stored.
        later: Splits that will be asked for later. Where the training images are files, theirs are each decoded once,
            so that broken ones are found now, and forgotten.

    Returns:
        By name: images of `data.image_size` pixels a side with `data.channels` channels, or 1 where they are gray.

    Raises:
        ConfigError: The source cannot be built or read, a size does not fit, or channels do not.
    """
    unknown = {*names, *later} - set(SPLITS)
    assert not unknown, f"no such splits: {unknown}"
    source = build_source(data.source, data_root)
    raise_problems(_check_held_out(source, data))
    carved = {"train", *(name for name, size in _sizes(data).items() if size is not None)}
    parts: dict[str, Part] = {}
    if carved & {*names, *later}:
        reader = _as_reader(source.train(), data)
        parts = {name: Part(reader, indices) for name, indices in _carve(reader.labels, data).items()}
    if later and not ("train" in parts and parts["train"].reader.is_file_reader):
        later = ()  # opening them may take a download, and there is nothing to decode
    wanted = {*names, *later}
    if "val" in wanted and isinstance(source, SourceWithVal):
        parts["val"] = _whole(source.val(), data)
    if "test" in wanted and "test" not in carved:
        parts["test"] = _whole(_open_test(source, data, data_root), data)
    now, then = ({name: parts[name] for name in group} for group in (names, later))
    return load_parts(now, data, memory_share, then)


@user_code()
def load_source(data: DataConfig, data_root: Path, memory_share: float = RunConfig.memory_share) -> ImageSplit:
    """Loads all images of `data.source` that are not set apart for validation or test by its publishers.

    Args:
        data: The data config, its image size settled.
        data_root: Folder of data sets.
        memory_share: As of `load_splits`.

    Raises:
        ConfigError: The source cannot be built or read.
    """
    source = build_source(data.source, data_root)
    return load_parts({"all": _whole(source.train(), data)}, data, memory_share)["all"]


def count_train_images(data: DataConfig) -> int | None:
    """Returns how many images there are to train with, None where only loading them would tell."""
    total = getattr(locate(data.source["_target_"], SOURCE_KEY), "num_train", None)
    if not isinstance(total, int):
        return None
    rest = total - sum(_count(size, total) for size in _sizes(data).values() if size is not None)
    return max(1, _count(float(data.train_fraction), rest) if data.train_fraction < 1 else rest)


def check_labels(labelled: _Labelled, num_classes: int) -> None:
    """Checks that every label is a class of the model.

    Raises:
        ConfigError: A label lies outside [0, num_classes).
    """
    low, high = int(labelled.labels.min()), int(labelled.labels.max())
    if 0 <= low and high < num_classes:
        return
    key, got = "learner.hparams.num_classes", f"got {num_classes}, but the data has labels from {low} to {high}"
    if low == 1 and high == num_classes:
        raise ConfigError(key, f"{got}; classes count from 0. Let the data set subtract 1 from its labels.")
    raise ConfigError(key, f"{got}; classes count from 0, so it takes at least {high + 1}.")


def describe_classes(labels: npt.NDArray[np.int64], num_classes: int) -> str | None:
    """Returns a line for the user where the model has classes that no training image is of."""
    absent = np.setdiff1d(np.arange(num_classes), labels)
    if not len(absent):
        return None
    shown = ", ".join(map(str, absent[:_MAX_LISTED])) + (", ..." if len(absent) > _MAX_LISTED else "")
    advice = ""
    if absent[0] > labels.max():
        advice = f"; labels from 0 to {absent[0] - 1} make {absent[0]}"
    elif absent.tolist() == [0]:
        advice = "; where labels begin at 1, let the data set subtract 1 from them"
    return f"learner.hparams.num_classes={num_classes}, but no training image is of class {shown}{advice}"


def describe_balance(labels: npt.NDArray[np.int64]) -> str | None:
    """Returns how many images the smallest and the largest class have, None where they differ by less than ten times.

    Args:
        labels: (N,) the training images' classes; those without images do not count.
    """
    classes, counts = np.unique(labels, return_counts=True)
    few, many = counts.argmin(), counts.argmax()
    if 10 * counts[few] >= counts[many]:
        return None
    return f"class {classes[few]} has {counts[few]:,} training images and class {classes[many]} {counts[many]:,}"


def _sizes(data: DataConfig) -> dict[str, int | float | None]:
    """Test first: a change of val_size must not move test images."""
    return {"test": data.test_size, "val": data.val_size}


def _check_held_out(source: Source, data: DataConfig) -> Iterator[Problem]:
    """Sees that there is exactly one validation and one test split: the source's own or a carved one."""
    name = data.source["_target_"].rsplit(".", 1)[-1]
    owns = {"val": isinstance(source, SourceWithVal), "test": isinstance(source, SourceWithTest)}
    if owns["test"] and data.test_source is not None:
        yield Problem(
            TEST_SOURCE_KEY, f"got {data.test_source!r}, but {name} has a test split of its own; it takes null."
        )
    owns["test"] = owns["test"] or data.test_source is not None
    for split, size in _sizes(data).items():
        if size is None and not owns[split]:
            yield Problem(
                f"data.{split}_size",
                f"got None, but {name} has no {split} split of its own; it takes a number of images "
                "or a share of them, as 0.1.",
            )
        elif size is not None and owns[split]:
            yield Problem(
                f"data.{split}_size", f"got {size}, but {name} has a {split} split of its own; it takes null."
            )


def _open_test(source: Source, data: DataConfig, data_root: Path) -> LabelledImages | ImageReader:
    """Returns the official test images: the source's, or all of the second data set's."""
    if isinstance(source, SourceWithTest):
        return source.test()
    return build_source(data.test_source, data_root, TEST_SOURCE_KEY).train()


def _as_reader(images: LabelledImages | ImageReader, data: DataConfig) -> ImageReader:
    """Wraps a source's arrays, whose channels can be checked at once."""
    if not isinstance(images, LabelledImages):
        return images
    to_channels(images.images[:0], data.channels)
    return ArrayReader(images)


def _whole(images: LabelledImages | ImageReader, data: DataConfig) -> Part:
    reader = _as_reader(images, data)
    return Part(reader, np.arange(len(reader.labels)))


def _carve(labels: npt.NDArray[np.int64], data: DataConfig) -> dict[str, npt.NDArray[np.int64]]:
    """Returns the sorted indices of each split of a training set."""
    sizes = {name: _count(size, len(labels)) for name, size in _sizes(data).items() if size is not None}
    if sum(sizes.values()) >= len(labels):
        keys = " + ".join(f"data.{name}_size" for name in reversed(sizes)) or "data.source"
        raise ConfigError(
            keys, f"got {sum(sizes.values())}, but the training set has {len(labels)} images; leave some to train with."
        )
    rest = np.arange(len(labels))
    parts = {}
    for stream, name in enumerate(_sizes(data)):
        if name in sizes:
            taken = _stratified(labels[rest], sizes[name], np.random.default_rng([data.split_seed, stream]))
            parts[name] = rest[taken]
            rest = rest[~taken]
    if data.train_fraction < 1:
        # Each class's images have one order, of which a fraction is the beginning: a larger one holds the smaller.
        size = _count(float(data.train_fraction), len(rest))
        rest = rest[_stratified(labels[rest], size, np.random.default_rng([data.split_seed, _FRACTION_STREAM]))]
    return {**parts, "train": rest}


def _count(size: int | float, total: int) -> int:
    """Returns a number of images, of a number or a share."""
    return size if isinstance(size, int) else max(1, round(size * total))


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
