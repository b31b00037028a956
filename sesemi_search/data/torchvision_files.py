"""The published data sets whose files torchvision knows: where they are, their checksums, and how they are parsed.

The layout below `data_root` is torchvision's, so its users' files are found. torchvision itself takes any file of the
right name for MNIST's; here what is read is held to its size.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sesemi_search.data.download import provide
from sesemi_search.data.labelled import LabelledImages
from sesemi_search.errors import ConfigError

__all__ = ["read_cifar", "read_idx", "read_stl10"]


def read_idx(name: str, data_root: Path, part: str, num_images: int) -> LabelledImages:
    """Reads one part of MNIST or of a set of its format, downloading all of it first when a file is missing.

    Args:
        name: torchvision's class, `MNIST` or `FashionMNIST`.
        data_root: Folder of data sets.
        part: `train` or `t10k`.
        num_images: Images that the part must have.

    Returns:
        (num_images, 1, 28, 28) images and their labels.

    Raises:
        ConfigError: The download fails, or a file is cut short or another set's.
    """
    from torchvision import datasets

    published: Any = getattr(datasets, name)
    folder = data_root / name / "raw"
    archives = [archive for archive, _ in published.resources]
    files = [folder / archive.removesuffix(".gz") for archive in archives]
    listed = "\n".join(f"  {archive}" for archive in archives)
    provide(
        folder,
        data_root,
        lambda: all(file.is_file() for file in files),
        lambda root: published(root, train=True, download=True),
        [Path(name, "raw", archive) for archive in archives],
        f"Put these files into {folder} by hand, from {published.mirrors[0]}:\n{listed}\n"
        "or use data=mnist5k, 5,000 digits that need no download.",
    )
    return _parse_idx(folder / f"{part}-images-idx3-ubyte", folder / f"{part}-labels-idx1-ubyte", num_images)


def read_cifar(name: str, data_root: Path, train: bool) -> LabelledImages:
    """Reads one part of CIFAR, downloading all of it first when a file is missing.

    Its files are pickles: they are opened only when their checksums are those that were published.

    Args:
        name: torchvision's class, `CIFAR10` or `CIFAR100`.
        data_root: Folder of data sets.
        train: The 50,000 training images, or the 10,000 of the test.

    Returns:
        (N, 3, 32, 32) images and their labels.

    Raises:
        ConfigError: The download fails, or a file is not the published one.
    """
    from torchvision import datasets

    published: Any = getattr(datasets, name)
    folder = data_root / published.base_folder
    names = [file for file, _ in (*published.train_list, *published.test_list)]
    files = [folder / file for file in (*names, published.meta["filename"])]
    provide(
        folder,
        data_root,
        lambda: all(file.is_file() for file in files),
        lambda root: published(root, train=train, download=True),
        [Path(published.filename)],
        f"Put {published.filename} into {data_root} by hand, from {published.url}, or use data=mnist5k, 5,000 digits "
        "that need no download.",
    )
    try:
        dataset = published(data_root, train=train)
    except RuntimeError as error:
        raise ConfigError(
            "data.source", f"a file in {folder} is not {name}'s or is cut short. Delete that folder and start again."
        ) from error
    return LabelledImages(
        np.ascontiguousarray(dataset.data.transpose(0, 3, 1, 2)), np.array(dataset.targets, dtype=np.int64)
    )


def read_stl10(data_root: Path, part: str, num_images: int) -> LabelledImages:
    """Reads one part of STL-10, downloading all of it first when a file is missing.

    Args:
        data_root: Folder of data sets.
        part: `train` or `test`.
        num_images: Images that the part must have.

    Returns:
        (num_images, 3, 96, 96) images and their labels.

    Raises:
        ConfigError: The download fails, or a file is cut short.
    """
    from torchvision.datasets import STL10

    folder = data_root / STL10.base_folder
    files = [folder / f"{each}_{kind}.bin" for each in ("train", "test") for kind in "Xy"]
    provide(
        folder,
        data_root,
        lambda: all(file.is_file() for file in files),
        lambda root: STL10(str(root), split="test", download=True),
        [Path(STL10.filename)],
        f"Put {STL10.filename} into {data_root} by hand, from {STL10.url}, or use data=mnist5k, 5,000 digits that need "
        "no download.",
    )
    columns = _read_bytes(folder / f"{part}_X.bin", (num_images, 3, 96, 96))
    labels = _read_bytes(folder / f"{part}_y.bin", (num_images,))
    # A column of pixels after the other; classes count from 1.
    return LabelledImages(np.ascontiguousarray(columns.transpose(0, 1, 3, 2)), labels.astype(np.int64) - 1)


def _read_bytes(path: Path, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Reads a file of bytes and holds it to its size."""
    content = np.fromfile(path, dtype=np.uint8)
    if content.size != math.prod(shape):
        raise _broken("STL10", path, f"it holds {content.size} bytes, not {math.prod(shape)}")
    return content.reshape(shape)


def _parse_idx(images_path: Path, labels_path: Path, num_images: int) -> LabelledImages:
    """Reads an image file and its label file, and holds both to their size."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    arrays = []
    for path, read in ((images_path, read_image_file), (labels_path, read_label_file)):
        try:
            array = read(str(path)).numpy()
        except Exception as error:  # a cut file fails in the reader in many ways
            raise _broken(path.parents[1].name, path, f"{type(error).__name__}: {error}") from error
        if len(array) != num_images or array.shape[1:] not in ((), (28, 28)):
            raise _broken(path.parents[1].name, path, f"it holds {array.shape}, not {num_images} images")
        arrays.append(array)
    return LabelledImages(np.ascontiguousarray(arrays[0][:, None]), arrays[1].astype(np.int64))


def _broken(name: str, path: Path, why: str) -> ConfigError:
    return ConfigError(
        "data.source",
        f"{path} is not {name}'s file or is cut short ({why}). Delete it and start again, or use data=mnist5k.",
    )
