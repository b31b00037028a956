"""Images in folders, a folder for each class.

Finding the files is torchvision's; what it takes for a class or an image without a word is looked at here first.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sesemi_search.data.decode import decode_file
from sesemi_search.data.stored import UnreadableImage
from sesemi_search.errors import ConfigError, suggest

__all__ = ["IMAGE_SUFFIXES", "FileReader", "ImageFolder", "naming_file"]

# Of file names, in small letters: torchvision's, and animations.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")
_SPLITS = ("train", "val", "test")


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Inside, a file is decoded; whatever makes that fail is an `UnreadableImage` that names it.

    Raises:
        UnreadableImage: It cannot be decoded.
        ConfigError: No file can be decoded so.
    """
    try:
        yield
    except (ConfigError, MemoryError):
        raise
    except Exception as error:  # on broken files PIL raises a dozen kinds
        # A name that is no UTF-8 could not be printed.
        name = str(path).encode(errors="replace").decode()
        # PIL and the system name the file once more, behind their words.
        reason = " ".join(str(error).replace(repr(str(path)), "").split()).removesuffix(":")
        raise UnreadableImage(f"{name} ({type(error).__name__}: {reason})") from error


class FileReader:
    """Decodes image files.

    Args:
        folder: What the paths start from.
        paths: Paths of the files.
        labels: (N,) int64, their classes.
    """

    is_file_reader = True

    def __init__(self, folder: Path, paths: Sequence[str], labels: npt.NDArray[np.int64]) -> None:
        self.folder = folder
        self.labels = labels
        # An array of bytes: a million strings of Python's would be copied into every worker, these are shared.
        self._paths = np.array([os.fsencode(path) for path in paths])

    def read(self, index: int, size: int, channels: int) -> npt.NDArray[np.uint8]:
        """Decodes a file to (channels, size, size).

        Raises:
            UnreadableImage: It cannot be decoded.
            ConfigError: No file can be decoded to so many channels.
        """
        path = self.folder / os.fsdecode(bytes(self._paths[index]))
        with naming_file(path):
            return decode_file(path, size, channels)


class ImageFolder:
    """Image files in a folder for each class, at any depth below it.

    Classes are numbered in the order of their folders' names. Either `folder` holds the folders of the classes, or it
    holds `train` and, where there are any, `val` and `test`, and those hold them. Names that begin with a dot and files
    that are no images by their names are passed over.

    Args:
        folder: The folder; a relative path starts at `data_root`.
        test_folder: Which of its folders has the test images: `test`, or `val` where those are what results are
            reported on, as ImageNet's are. A search must not look at them then, and there is no validation split.
        data_root: Folder of data sets.

    Raises:
        ConfigError: The folder is not there, or a class has no image.
    """

    def __init__(self, folder: str, test_folder: str = "test", data_root: str | Path = "./data") -> None:
        self.folder = Path(data_root) / Path(folder).expanduser()
        if not self.folder.is_dir():
            names = [path.name for path in self.folder.parent.iterdir()] if self.folder.parent.is_dir() else []
            raise ConfigError(
                "data.source.folder",
                f"there is no folder {self.folder}.{suggest(self.folder.name, names)} "
                "A relative path starts at run.data_root.",
            )
        self.is_split = (self.folder / "train").is_dir()
        self.classes = _find_classes(self.folder / "train" if self.is_split else self.folder)
        # A split of its own is known by its method (see `sources.Source`), and here the folder decides.
        if self.is_split and test_folder != "val" and (self.folder / "val").is_dir():
            self.val = partial(self._read, "val")
        if self.is_split and (self.folder / test_folder).is_dir():
            self.test = partial(self._read, test_folder)

    @property
    def num_classes(self) -> int:
        """How many folders of classes there are."""
        return len(self.classes)

    def train(self) -> FileReader:
        """Returns the images of `train`, or all where the folder is not split."""
        reader = self._read("train" if self.is_split else "")
        counts = np.bincount(reader.labels, minlength=len(self.classes))
        empty = [str(self.folder / self._sub(name)) for name, n in zip(self.classes, counts, strict=True) if n == 0]
        if empty:
            raise ConfigError(
                "data.source.folder",
                f"no image in {', '.join(empty)}. Every folder is a class: put images there, or delete the folder.",
            )
        return reader

    def _sub(self, name: str) -> Path:
        return Path("train", name) if self.is_split else Path(name)

    def _read(self, split: str) -> FileReader:
        """Finds the images of one of the splits, in a fixed order."""
        from torchvision.datasets.folder import make_dataset

        folder = self.folder / split
        unknown = sorted(set(_find_classes(folder)) - set(self.classes))
        if unknown:
            raise ConfigError(
                "data.source.folder",
                f"{folder} has the classes {', '.join(unknown)}, which {self.folder / 'train'} does not have.",
            )
        numbers = {name: number for number, name in enumerate(self.classes)}

        def is_image(path: str) -> bool:
            inside = Path(path).relative_to(folder)
            return path.lower().endswith(IMAGE_SUFFIXES) and not any(part.startswith(".") for part in inside.parts)

        here = {name: number for name, number in numbers.items() if (folder / name).is_dir()}
        found = make_dataset(str(folder), here, is_valid_file=is_image, allow_empty=True)
        paths = [os.path.relpath(path, self.folder) for path, _ in found]
        return FileReader(self.folder, paths, np.array([label for _, label in found], dtype=np.int64))


def _find_classes(folder: Path) -> list[str]:
    """Returns the names of the folders in a folder, sorted."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise ConfigError("data.source.folder", f"{folder} has no folders; it takes a folder of images for each class.")
    return classes
