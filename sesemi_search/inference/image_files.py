"""Image files that a model is asked about: found in what was named, decoded by several threads, asked in batches."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from sesemi_search.data.folder import IMAGE_SUFFIXES, naming_file
from sesemi_search.data.stored import UnreadableImage
from sesemi_search.errors import ConfigError, Problem, raise_problems
from sesemi_search.inference.classifier import ImageClassifier, Prediction
from sesemi_search.project.project import project_path

__all__ = ["find_images", "predict_files"]

_KEY = "IMAGES"


def find_images(given: Sequence[str]) -> list[Path]:
    """Returns the image files that some paths name, in their order.

    A file that is named counts whatever its name is; of a folder those count, at any depth and sorted, that are images
    by their names and do not begin with a dot. Folders that are links are not entered.

    Raises:
        ConfigError: A path leads nowhere, or a folder has no image.
    """
    found: list[Path] = []
    problems: list[Problem] = []
    for name in given:
        path = _expand(name)
        inside = sorted(_walk(path)) if path.is_dir() else [path]
        if not os.path.lexists(path):
            problems.append(Problem(_KEY, f"there is no file or folder {project_path(None, name)}."))
        elif not inside:
            endings = ", ".join(IMAGE_SUFFIXES)
            problems.append(Problem(_KEY, f"{name} has no image in it: no file whose name ends in {endings}."))
        found += inside
    raise_problems(problems)
    return found


def _expand(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ConfigError(_KEY, f"got the path {name!r}: {error}") from error


def predict_files(
    model: ImageClassifier, paths: Sequence[Path], batch_size: int
) -> Iterator[tuple[Path, Prediction | UnreadableImage]]:
    """Yields for each file, in order, what the model says of it, or why it cannot be read.

    Args:
        model: On any device.
        paths: The files.
        batch_size: Files that are decoded and asked about at once, at least 1.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # PIL lets go of Python's lock while it decodes
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            decoded = list(pool.map(lambda path: _decode(model, path), batch))
            readable = [pixels for pixels in decoded if not isinstance(pixels, UnreadableImage)]
            predictions = iter(_predict(model, readable) if readable else ())
            for path, pixels in zip(batch, decoded, strict=True):
                yield path, pixels if isinstance(pixels, UnreadableImage) else next(predictions)


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield Path(root, name)


def _decode(model: ImageClassifier, path: Path) -> npt.NDArray[np.uint8] | UnreadableImage:
    try:
        with naming_file(path):
            return model.preprocessing.decode(path)
    except UnreadableImage as error:
        return error


def _predict(model: ImageClassifier, decoded: Sequence[npt.NDArray[np.uint8]]) -> list[Prediction]:
    pixels = torch.from_numpy(np.stack(decoded)).to(model.temperature.device)
    return model.predict_batch(model.preprocessing.normalize(pixels))
