"""MNIST's four files on disk: read, checked and, when they are missing, downloaded whole or not at all.

The layout is torchvision's (`<data_root>/MNIST/raw/train-images-idx3-ubyte` and so on). torchvision itself takes any
file of the right name for whole; here a download goes to a temporary folder and is moved in place once complete, and
what is read is held to its size.
"""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sesemi_search.atomic import atomic_file
from sesemi_search.config.errors import ConfigError
from sesemi_search.data.labelled import LabelledImages

__all__ = ["read_mnist"]

_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_CONNECT_TIMEOUT_S = 20.0


def read_mnist(data_root: Path, part: str, num_images: int) -> LabelledImages:
    """Reads one part of MNIST, downloading all of it first when a file is missing.

    Args:
        data_root: Folder of data sets.
        part: `train` or `t10k`.
        num_images: Images that the part must have.

    Returns:
        (num_images, 1, 28, 28) images and their labels.

    Raises:
        ConfigError: The download fails, or a file is cut short or not MNIST's.
    """
    folder = data_root / "MNIST" / "raw"
    if not all((folder / name).is_file() for name in _FILES):
        _download(folder)
    return _parse(folder / f"{part}-images-idx3-ubyte", folder / f"{part}-labels-idx1-ubyte", num_images)


def _parse(images_path: Path, labels_path: Path, num_images: int) -> LabelledImages:
    """Reads an image file and its label file, and holds both to their size."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    arrays = []
    for path, read in ((images_path, read_image_file), (labels_path, read_label_file)):
        try:
            array = read(str(path)).numpy()
        except Exception as error:  # a cut file fails in the reader in many ways
            raise ConfigError(_broken(path, f"{type(error).__name__}: {error}")) from error
        if len(array) != num_images or array.shape[1:] not in ((), (28, 28)):
            raise ConfigError(_broken(path, f"it holds {array.shape}, not {num_images} digits"))
        arrays.append(array)
    return LabelledImages(np.ascontiguousarray(arrays[0][:, None]), arrays[1].astype(np.int64))


def _broken(path: Path, why: str) -> str:
    return (
        f"data.source: {path} is not MNIST's file or is cut short ({why}). "
        "Delete it and start again, or use data=mnist5k."
    )


def _download(folder: Path) -> None:
    """Downloads and unpacks all four files, then moves them into `folder`, which is made only then."""
    from torchvision.datasets import MNIST as TorchvisionMNIST

    with tempfile.TemporaryDirectory(prefix="sesemi-mnist-") as scratch:
        raw = Path(scratch) / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for archive in folder.glob("*-ubyte.gz"):
            # Archives put there by hand; torchvision checks their MD5 and downloads only the others.
            shutil.copyfile(archive, raw / archive.name)
        try:
            with _socket_timeout(_CONNECT_TIMEOUT_S):
                TorchvisionMNIST(scratch, train=True, download=True)
        except (RuntimeError, OSError) as error:
            archives = "\n".join(f"  {name}.gz" for name in _FILES)
            raise ConfigError(
                f"data.source: MNIST is not in {folder} and cannot be downloaded ({_first_line(error)}). Put these "
                f"files into {folder} by hand, from {TorchvisionMNIST.mirrors[0]}:\n{archives}\n"
                "or use data=mnist5k, 5,000 digits that need no download."
            ) from error
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            # Not a rename: the temporary folder may be on another disk.
            with atomic_file(folder / name) as out, (raw / name).open("rb") as data:
                shutil.copyfileobj(data, out)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Lets a silent server fail: urllib, as torchvision calls it, waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _first_line(error: BaseException) -> str:
    """Returns the reason in one line; torchvision's text repeats each mirror's."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3]) or type(error).__name__
