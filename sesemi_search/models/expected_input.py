"""What images the weights of a backbone were trained on: what a config leaves open follows it, another choice is said.

A search loads its images once for all trials, so they have one size. They are normalized on their way to each model, so
mean and standard deviation may be another backbone's in the next trial.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sesemi_search.config.errors import ConfigError
from sesemi_search.config.targets import locate

__all__ = ["ExpectedInput", "describe_difference", "describe_followed", "follow_backbone"]

_KEY = "learner.hparams.model.backbone"
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


def follow_backbone(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config whose open (null) image size is the one that its backbone was made for.

    Where the backbone begins with weights, from its publishers or a file, an open mean and standard deviation are those
    that the published weights were trained with; else they stay open, to be measured on the images.

    A backbone takes part that has a static method `expected_input(name)`, with the node's `name` for its argument, that
    returns an `ExpectedInput`.

    Args:
        config: A resolved, plain experiment config.

    Raises:
        ConfigError: The size is open, and the backbone does not say which it was made for.
    """
    backbone, data = config["learner"]["hparams"]["model"]["backbone"], dict(config["data"])
    if None not in (data["image_size"], data["mean"], data["std"]):
        return dict(config)
    expected = _find_expected(backbone)
    if data["image_size"] is None:
        if expected is None:
            name = backbone.get("_target_") if isinstance(backbone, Mapping) else backbone
            raise ConfigError(
                f"data.image_size: got None, and {name} does not say which size it is made for; it takes a number of "
                "pixels, such as 224."
            )
        data["image_size"] = expected.image_size
    has_weights = isinstance(backbone, Mapping) and (backbone.get("pretrained") is True or backbone.get("checkpoint"))
    if expected is not None and has_weights and len(expected.mean) == data["channels"]:
        data |= {key: list(getattr(expected, key)) for key in ("mean", "std") if data[key] is None}
    return {**config, "data": data}


def describe_followed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Returns a line for the user where `follow_backbone` has filled something in; no line where it has not."""
    data = after["data"]
    filled = [f"data.{key}={data[key]}" for key in ("image_size", "mean", "std") if data[key] != before["data"][key]]
    if not filled:
        return []
    return [f"{' '.join(filled)}, as {after['learner']['hparams']['model']['backbone']['name']} expects"]


def describe_difference(backbone: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
    """Returns a line for the user where a pretrained backbone was trained on images normalized otherwise.

    Args:
        backbone: Resolved node of `learner.hparams.model.backbone`.
        data: The resolved data section, after `follow_backbone`.
    """
    expected = _find_expected(backbone) if backbone.get("pretrained") is True else None
    if expected is None or (_is_near(expected.mean, data["mean"]) and _is_near(expected.std, data["std"])):
        return None
    mean, std = ([round(value, 4) for value in values] for values in (expected.mean, expected.std))
    return (
        f"{backbone['name']} was pretrained on images of data.mean={mean} data.std={std} (and {expected.image_size} "
        f"pixels); this data has mean={data['mean']} std={data['std']} (and {data['image_size']} pixels)"
    )


def _find_expected(backbone: Any) -> ExpectedInput | None:
    """Asks the class of a backbone; None of one that does not say.

    Raises:
        ConfigError: The class cannot be found, or has no model of the name.
    """
    if not isinstance(backbone, Mapping) or not isinstance(backbone.get("name"), str):
        return None
    describe = getattr(locate(backbone.get("_target_"), _KEY), "expected_input", None)
    try:
        expected: ExpectedInput | None = None if describe is None else describe(backbone["name"])
    except ValueError as error:
        raise ConfigError(f"{_KEY}: {error}") from error
    return expected


def _is_near(expected: Sequence[float], found: Sequence[float] | None) -> bool:
    if found is None or len(expected) != len(found):
        return False
    return all(abs(a - b) <= _TOLERANCE for a, b in zip(expected, found, strict=True))
