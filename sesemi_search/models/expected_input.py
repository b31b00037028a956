"""What images a pretrained backbone was trained on, held against what the data section gives it.

A search loads its images once for all trials, normalized one way, while a space may hold backbones that were trained on
images normalized in different ways. So a difference is said, not mended.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sesemi_search.config.errors import ConfigError
from sesemi_search.config.targets import locate

__all__ = ["ExpectedInput", "describe_difference"]

_TOLERANCE = 0.01  # rounded copies of ImageNet's numbers are the same numbers


class ExpectedInput(NamedTuple):
    """The images that weights were trained on; what `data.mean`, `data.std` and `data.image_size` would be.

    Attributes:
        mean: Mean of each channel, of pixel values in [0, 1].
        std: Standard deviation of each channel.
        image_size: Height and width in pixels.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int


def describe_difference(backbone: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
    """Returns a line for the user where a pretrained backbone was trained on images normalized otherwise.

    A backbone takes part that has an argument `pretrained` and a static method `expected_input(name)`, with the node's
    `name` for its argument, that returns an `ExpectedInput`; None of ours and yours that have neither.

    Args:
        backbone: Resolved node of `learner.hparams.model.backbone`.
        data: The resolved data section.
    """
    if backbone.get("pretrained") is not True or "name" not in backbone:
        return None
    try:
        describe = getattr(locate(backbone["_target_"], "learner.hparams.model.backbone"), "expected_input", None)
    except ConfigError:  # which is said elsewhere
        return None
    expected = None if describe is None else describe(backbone["name"])
    if expected is None or (_is_near(expected.mean, data["mean"]) and _is_near(expected.std, data["std"])):
        return None
    mean, std = ([round(value, 4) for value in values] for values in (expected.mean, expected.std))
    return (
        f"{backbone['name']} was pretrained on images of data.mean={mean} data.std={std} (and {expected.image_size} "
        f"pixels); this data has mean={list(data['mean'])} std={list(data['std'])} (and {data['image_size']} pixels)"
    )


def _is_near(expected: Sequence[float], found: Sequence[float]) -> bool:
    return len(expected) == len(found) and all(abs(a - b) <= _TOLERANCE for a, b in zip(expected, found, strict=True))
