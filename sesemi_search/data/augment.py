"""Random transforms of whole batches, on the device that the batch is on.

Each image has draws of its own: a row of numbers, drawn on the CPU so that every device sees the same ones. A transform
of a batch is the same transform of each of its images, with that image's row.
"""

import math
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from sesemi_search.errors import ArgumentError

__all__ = [
    "BatchTransform",
    "ColorJitter",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomRotation",
]


@runtime_checkable
class BatchTransform(Protocol):
    """A random transform of a batch, in two steps: what to do with each image, and doing it."""

    def draw(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draws what to do.

        Args:
            shape: (B, C, H, W) of the batch.
            generator: Where the random numbers come from, on the CPU.

        Returns:
            (B, P) on the CPU: P numbers for each image, independent of those of the others.
        """

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Transforms a batch.

        Args:
            images: (B, C, H, W) uint8, 0 to 255. They may be changed in place.
            drawn: (B, P), from `draw`, on the device of the images.

        Returns:
            (B, C, H, W) uint8.
        """


class RandomCrop:
    """Moves each image by up to `padding` pixels up or down, left or right; what comes in from outside is black.

    That is a border of `padding` black pixels and a crop of the old size at a random place (He et al., 2016).

    Args:
        padding: Pixels, at least 0.
    """

    def __init__(self, padding: int = 4) -> None:
        self.padding = _at_least_0("padding", padding)

    def draw(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draws the top and the left of each crop, from 0 to 2 `padding`: (B, 2) int64."""
        return torch.randint(2 * self.padding + 1, (shape[0], 2), generator=generator)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Crops each image at its place."""
        height, width = images.shape[-2:]
        padded = functional.pad(images, (self.padding,) * 4)
        # All crops as one view (B, C, tops, lefts, H, W), of which each image's own is copied.
        crops = padded.unfold(2, height, 1).unfold(3, width, 1)
        return crops[torch.arange(len(images), device=images.device), :, drawn[:, 0], drawn[:, 1]]


class RandomHorizontalFlip:
    """Swaps left and right.

    Args:
        p: Probability, in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = _in_0_1("p", p)

    def draw(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draws whether to flip: (B, 1) bool."""
        return torch.rand((shape[0], 1), generator=generator) < self.p

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Flips the images whose row says so."""
        return torch.where(drawn.view(-1, 1, 1, 1), images.flip(-1), images)


class RandomErasing:
    """Blackens a rectangle (Zhong et al., 2020).

    Args:
        p: Probability, in [0, 1].
        scale: Least and largest share of the image's area.
        ratio: Least and largest height over width; it is drawn evenly in its logarithm. A rectangle that is longer than
            the image is cut to it.
    """

    def __init__(
        self, p: float = 0.5, scale: tuple[float, float] = (0.02, 0.33), ratio: tuple[float, float] = (0.3, 3.3)
    ) -> None:
        self.p = _in_0_1("p", p)
        if not 0 <= scale[0] <= scale[1] <= 1 or not 0 < ratio[0] <= ratio[1]:
            raise ArgumentError(
                "scale", f"{scale=}, {ratio=}; they take two numbers each, the lesser first, scale in [0, 1]"
            )
        self.scale = scale
        self.log_ratio = (math.log(ratio[0]), math.log(ratio[1]))

    def draw(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draws top, left, bottom and right of each rectangle, which is empty where nothing is erased: (B, 4) int64."""
        height, width = shape[-2:]
        chance, area, ratio, top, left = torch.rand((5, shape[0]), generator=generator)
        area = (self.scale[0] + area * (self.scale[1] - self.scale[0])) * height * width
        ratio = torch.exp(self.log_ratio[0] + ratio * (self.log_ratio[1] - self.log_ratio[0]))
        rows = (area * ratio).sqrt().round().clamp(max=height) * (chance < self.p)
        columns = (area / ratio).sqrt().round().clamp(max=width)
        top, left = (top * (height - rows + 1)).floor(), (left * (width - columns + 1)).floor()
        return torch.stack([top, left, top + rows, left + columns], dim=1).to(torch.int64)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Blackens each image's rectangle."""
        height, width = images.shape[-2:]
        top, left, bottom, right = (column.view(-1, 1, 1, 1) for column in drawn.T)
        rows = torch.arange(height, device=images.device).view(1, 1, -1, 1)
        columns = torch.arange(width, device=images.device).view(1, 1, 1, -1)
        inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        return images.masked_fill(inside, 0)


class RandomRotation:
    """Turns each image about its middle, with bilinear interpolation; what comes in from outside is black.

    Args:
        degrees: Largest angle in either direction, at least 0.
    """

    def __init__(self, degrees: float = 10) -> None:
        self.degrees = _at_least_0("degrees", degrees)

    def draw(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draws the angles, counter-clockwise in degrees: (B, 1) float32."""
        return (2 * torch.rand((shape[0], 1), generator=generator) - 1) * self.degrees

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Turns each image by its angle."""
        height, width = images.shape[-2:]
        angle = torch.deg2rad(drawn[:, 0])
        sin, cos, zero = torch.sin(angle), torch.cos(angle), torch.zeros_like(angle)
        # From a place in the outcome to that in the image, in coordinates from -1 to 1 that stretch with the sides.
        theta = torch.stack(
            [
                torch.stack([cos, -sin * height / width, zero], dim=1),
                torch.stack([sin * width / height, cos, zero], dim=1),
            ],
            dim=1,
        )
        grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
        turned = functional.grid_sample(images.float(), grid, mode="bilinear", align_corners=False)
        return turned.round_().to(torch.uint8)


class ColorJitter:
    """Changes brightness, then contrast, then saturation, each by a factor drawn evenly from [1 - x, 1 + x].

    Args:
        brightness: x of the factor of all pixels, in [0, 1].
        contrast: x of the factor of the distance from the image's mean gray, in [0, 1].
        saturation: x of the factor of the distance from each pixel's gray, in [0, 1]; nothing happens to gray images.
    """

    def __init__(self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0) -> None:
        self.widths = (
            _in_0_1("brightness", brightness),
            _in_0_1("contrast", contrast),
            _in_0_1("saturation", saturation),
        )

    def draw(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draws the three factors: (B, 3) float32."""
        return 1 + (2 * torch.rand((shape[0], 3), generator=generator) - 1) * torch.tensor(self.widths)

    def apply(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Changes the colors of each image by its factors."""
        brightness, contrast, saturation = (column.view(-1, 1, 1, 1) for column in drawn.T)
        pixels = (images * brightness).clamp_(0, 255)
        pixels = torch.lerp(_gray(pixels).mean(dim=(-2, -1), keepdim=True), pixels, contrast).clamp_(0, 255)
        if pixels.shape[1] == 3:
            pixels = torch.lerp(_gray(pixels), pixels, saturation).clamp_(0, 255)
        return pixels.round_().to(torch.uint8)


def _gray(images: Tensor) -> Tensor:
    """Returns (B, 1, H, W): of colors their ITU-R 601 luma, of other channels the mean."""
    if images.shape[1] != 3:
        return images.mean(dim=1, keepdim=True)
    return 0.299 * images[:, 0:1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:3]


_Number = TypeVar("_Number", int, float)


def _at_least_0(name: str, value: _Number) -> _Number:
    if value < 0:
        raise ArgumentError(name, f"{name}={value!r}; it takes a number, at least 0")
    return value


def _in_0_1(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise ArgumentError(name, f"{name}={value!r}; it takes a number in [0, 1]")
    return value
