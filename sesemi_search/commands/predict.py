"""`sesemi-search predict DIR IMAGES...`: what a trained model says of image files, a line a file as it comes."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from sesemi_search.commands.model_request import ModelRequest, open_model
from sesemi_search.console import print_text, show_progress
from sesemi_search.data.stored import UnreadableImage
from sesemi_search.errors import ConfigError
from sesemi_search.inference.image_files import find_images, predict_files

__all__ = ["predict_command"]

_BATCH = 64
_COLUMNS = ("class", "probability")
_Top = Sequence[tuple[str, float]]  # classes and their probabilities, the most probable first


def predict_command(
    request: ModelRequest, top: int | None, batch_size: int | None, as_csv: bool, as_jsonl: bool
) -> int:
    """Prints the most probable classes of each image; returns the exit code, 1 where a file cannot be read.

    The standard output has the predictions and nothing else; files that cannot be read are named on the other one.

    Args:
        request: The model, and files and folders of images.
        top: Classes to print for an image, at least 1; None is 1.
        batch_size: Images that the model gets at once, at least 1; None is 64.
        as_csv: Prints CSV.
        as_jsonl: Prints JSON, an object a line.

    Raises:
        ConfigError: There is no model, no image, or an option is out of its range.
    """
    if as_csv and as_jsonl:
        raise ConfigError("--csv", "got --jsonl as well; one of them.")
    for option, value in (("--top", top), ("--batch", batch_size)):
        if value is not None and value < 1:
            raise ConfigError(option, f"got {value}; it takes a whole number, at least 1.")
    if len(request.arguments) == 1:
        raise ConfigError("predict", "say of which images: sesemi-search predict DIR IMAGES..., files or folders.")
    paths = find_images(request.arguments[1:])
    _, model = open_model(request)
    count = min(top or 1, len(model.classes))
    write = _write_row if as_csv else _write_object if as_jsonl else _write_line
    if as_csv:
        print_text(_csv_line(["file", *_COLUMNS, *(f"{name}_{n}" for n in range(2, count + 1) for name in _COLUMNS)]))
    unreadable = 0
    with show_progress() as progress:
        for number, (path, found) in enumerate(predict_files(model, paths, batch_size or _BATCH), start=1):
            progress(f"{number} of {len(paths)} images")
            if isinstance(found, UnreadableImage):
                unreadable += 1
                print_text(f"error: {found}", is_error=True)
            else:
                print_text(write(path, found.top(count)))
    if unreadable:
        print_text(f"{unreadable} of {len(paths)} images cannot be read", is_error=True)
    return 1 if unreadable else 0


def _write_line(path: Path, top: _Top) -> str:
    return f"{path}: {', '.join(f'{name} {probability:.4f}' for name, probability in top)}"


def _write_row(path: Path, top: _Top) -> str:
    return _csv_line([str(path), *(value for name, probability in top for value in (name, f"{probability:.6f}"))])


def _csv_line(values: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _write_object(path: Path, top: _Top) -> str:
    ranked = [{"class": name, "probability": probability} for name, probability in top]
    return json.dumps({"file": str(path), **ranked[0], "top": ranked})
