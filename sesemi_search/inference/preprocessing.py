"""From an image, whoever gives it, to what a trained model takes: the way that its training images went."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from sesemi_search.data.batching import Preparation
from sesemi_search.data.decode import StoredShape, decode_file, decode_value, to_size

__all__ = ["ImageLike", "Preprocessing"]

# A path, a PIL image, an array (H, W, C) or (H, W), a tensor (C, H, W) or (H, W).
ImageLike = str | Path | Image.Image | npt.NDArray[Any] | Tensor


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes what a model takes.

    Attributes:
        image_size: Height and width, in pixels.
        channels: C.
        mean: Mean of each channel, of pixel values in [0, 1].
        std: Standard deviation of each channel.
        stored: (C, H, W) of the training images where they were stored as arrays; None where they were files.
    """

    image_size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    stored: StoredShape | None = None

    def decode(self, image: ImageLike) -> npt.NDArray[np.uint8]:
        """Returns the pixels that a model takes, not yet normalized: (C, S, S), 0 to 255.

        Raises:
            OSError, SyntaxError, ValueError: It is no image, is cut short, has pixels without a range or no shape of an
                image. PIL's other errors come out too.
        """
        read = decode_file if isinstance(image, str | Path) else decode_value
        source: Any = Path(image) if isinstance(image, str) else image
        pixels = read(source, self.image_size, self.channels, self.stored)
        return np.broadcast_to(pixels, (self.channels, *pixels.shape[1:]))

    def normalize(self, pixels: Tensor) -> Tensor:
        """Makes of pixels (B, C, S, S) uint8 what a model takes: (B, C, S, S) float32, on the same device."""
        preparation = Preparation(self.mean, self.std, self.channels, pixels.device)
        return preparation.finish(pixels, torch.default_generator)

    def __call__(self, image: ImageLike) -> Tensor:
        """Returns an image as a model takes it: (C, S, S) float32.

        Raises:
            OSError, SyntaxError, ValueError: As `decode`.
        """
        return self.normalize(torch.tensor(self.decode(image))[None])[0]

    def steps(self) -> list[str]:
        """Says in words what is done, in order, for whoever has to do it without this program."""
        kept, height, width = self.stored or (self.channels, self.image_size, self.image_size)
        colors = "gray (ITU-R 601)" if kept == 1 else "red, green and blue; transparency is dropped"
        steps = [
            "Turn the photo upright, by its EXIF orientation; of an animation take the first picture.",
            f"Convert it to {colors}, 8 bits a channel.",
            f"Resize its largest middle part of that shape to {width} x {height} pixels (width x height): bilinear, "
            "antialiased, as PIL.ImageOps.fit does.",
        ]
        if kept > self.channels:
            steps.append("Convert it to gray (ITU-R 601).")
        if (height, width) != (self.image_size, self.image_size):
            probe = np.ones((1, min(kept, self.channels), height, width), dtype=np.uint8)
            has_border = not to_size(probe, self.image_size).all()
            way = "Add a border of zeros, to" if has_border else "Resize it, bilinear and antialiased, to"
            steps.append(f"{way} {self.image_size} x {self.image_size} pixels.")
        if kept < self.channels:
            steps.append(f"Repeat the gray channel to {self.channels}.")
        return [*steps, "Divide by 255, subtract mean and divide by std, channel by channel; channels come first."]

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON has it, with the steps in words."""
        return {**asdict(self), "steps": self.steps()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Preprocessing":
        """Returns what `to_json` gave, or what a config says of its data.

        Raises:
            KeyError, TypeError, ValueError: It is something else.
        """
        stored = None
        if content.get("stored") is not None:
            channels, height, width = map(int, content["stored"])
            stored = (channels, height, width)
        made = cls(
            int(content["image_size"]),
            int(content["channels"]),
            tuple(map(float, content["mean"])),
            tuple(map(float, content["std"])),
            stored,
        )
        if min(made.image_size, made.channels) < 1 or not len(made.mean) == len(made.std) == made.channels:
            raise ValueError("image_size, channels, mean and std do not fit together")
        return made
