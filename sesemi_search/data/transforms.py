"""The random transforms of training images: a list of `_target_` nodes, built, checked and applied.

A transform either works on a batch (`sesemi_search.data.augment.BatchTransform`) or on one image, as torchvision's do.
The last ones of the list that all work on batches run on the device, whichever path the images take; what comes before
them runs in the loader, image by image. Each image's draws depend on the epoch's seed and its place in the order alone.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sesemi_search.config.targets import check_target, instantiate
from sesemi_search.data.augment import BatchTransform
from sesemi_search.errors import ConfigError, Problem, describe_exception, user_code

__all__ = ["TRANSFORMS_KEY", "ImageTransform", "apply_to_image", "build_transforms", "check_transforms"]

TRANSFORMS_KEY = "data.train_transforms"

_RULES = (
    "Images are uint8 tensors here, and their size is data.image_size. Leave out ToTensor, ToDtype and Normalize: "
    "normalization is data.mean and data.std, and follows by itself."
)

ImageTransform = BatchTransform | Callable[[Tensor], Any]


def build_transforms(
    nodes: Sequence[Mapping[str, Any]] | None,
) -> tuple[list[ImageTransform], list[BatchTransform]]:
    """Builds transforms from their nodes.

    Args:
        nodes: `data.train_transforms`; None is none.

    Returns:
        Those of one image, which come first, and those of a batch.

    Raises:
        ConfigError: One cannot be built.
    """
    built = [instantiate(node, f"{TRANSFORMS_KEY}.{number}") for number, node in enumerate(nodes or ())]
    start = len(built)
    while start and isinstance(built[start - 1], BatchTransform):
        start -= 1
    return built[:start], built[start:]


def check_transforms(nodes: object, image_size: int, channels: int) -> list[Problem]:
    """Returns what is wrong with `data.train_transforms`: each is built and given an image."""
    if nodes is None:
        return []
    if not isinstance(nodes, Sequence) or isinstance(nodes, str):
        return [
            Problem(
                TRANSFORMS_KEY,
                f"got {nodes!r}; it takes a list of mappings with a _target_, without a Compose around them, or null.",
            )
        ]
    problems = [p for number, node in enumerate(nodes) for p in check_target(node, f"{TRANSFORMS_KEY}.{number}")]
    if problems:
        return problems
    shape = (channels, image_size, image_size)
    image = torch.randint(256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    try:
        of_images, of_batches = build_transforms(nodes)
        for number, transform in enumerate([*of_images, *of_batches]):
            key, name = f"{TRANSFORMS_KEY}.{number}", nodes[number]["_target_"]
            if not callable(transform) and not isinstance(transform, BatchTransform):
                raise ConfigError(key, f"{name} gave a {type(transform).__name__}, which is no transform.")
            image = _try(transform, image, key, name)
            # Those of one image may go by way of another size or type; a batch, and the model, take one of each.
            if number >= len(of_images) - 1:
                _check_result(image, torch.Size(shape), key, name)
    except ConfigError as error:
        return error.problems
    return []


def apply_to_image(transforms: Sequence[ImageTransform], image: Tensor, seed: int) -> Tensor:
    """Transforms an image (C, H, W) uint8 with random numbers that depend on the seed alone."""
    with _seeded(seed), user_code():  # in a loader's process, which would end without a word
        result: Any = image.contiguous()
        for transform in transforms:
            result = _apply(transform, result)
    _check_result(result, image.shape, TRANSFORMS_KEY, "the last one")
    tensor: Tensor = result.as_subclass(Tensor)  # torchvision's images are tensors with a type of their own
    return tensor


def _apply(transform: ImageTransform, image: Tensor) -> Any:
    if isinstance(transform, BatchTransform):
        batch = image[None]
        return transform.apply(batch, transform.draw(batch.shape, torch.default_generator))[0]
    return transform(image)


def _try(transform: ImageTransform, image: Tensor, key: str, name: str) -> Any:
    """Gives a transform an image; `key` and `name` say which it is."""
    try:
        with _seeded(0), user_code():
            return _apply(transform, image)
    except Exception as error:  # a user's code
        reason = describe_exception(error).rstrip(".")
        shape = "x".join(map(str, getattr(image, "shape", ())))
        raise ConfigError(key, f"{name} failed on an image of {shape}: {reason}. {_RULES}") from error


def _check_result(result: object, shape: torch.Size, key: str, name: str) -> None:
    """Holds what comes out against what the next step takes."""
    if isinstance(result, Tensor) and result.dtype == torch.uint8 and result.shape == shape:
        return
    found = f"{result.dtype} {tuple(result.shape)}" if isinstance(result, Tensor) else f"a {type(result).__name__}"
    raise ConfigError(key, f"{name} gave {found}, and a model's images have shape {tuple(shape)} here. {_RULES}")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seeds the CPU's generators for a while: the training process may be the one that loads."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % (1 << 32))
    torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which would seed the GPU's too
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
