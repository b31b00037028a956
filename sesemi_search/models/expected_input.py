"""What images the weights of a backbone were trained on: what a config leaves open follows it, another choice is said.

A search loads its images once for all trials, so they have one size. They are normalized on their way to each model, so
mean and standard deviation may be another backbone's in the next trial.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sesemi_search.config.experiment import Complete, Sampled, Written, resolve
from sesemi_search.config.targets import locate
from sesemi_search.errors import ConfigError, describe_exception, user_code

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


def follow_backbone(
    experiment: Written | Sampled, resolved: Mapping[str, Any] | None = None, measured: Mapping[str, Any] | None = None
) -> Complete:
    """Resolves an experiment; an open (null) image size becomes the one that its backbone was made for.

    Where the backbone begins with weights, from its publishers or a file, an open mean and standard deviation are those
    that the published weights were trained with. Values that refer to what was open have it too.

    A backbone takes part that has a static method `expected_input(name)`, with the node's `name` for its argument, that
    returns an `ExpectedInput`.

    Args:
        experiment: The experiment, with or without a sample in it.
        resolved: The same, resolved, where that is at hand.
        measured: `mean` and `std` of the images, for what stays open.

    Raises:
        ConfigError: It does not resolve, or the size is open, and the backbone does not say which it was made for.
    """
    config = resolve(experiment) if resolved is None else dict(resolved)
    followed = _expected_values(config)
    filled = {k: v for k, v in (measured or {}).items() if config["data"][k] is None and v is not None} | followed
    return Complete(resolve(experiment, **filled) if filled else config)


def _expected_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the backbone of a resolved config has to say of the keys of `data` that are open."""
    backbone, data = config["learner"]["hparams"]["model"]["backbone"], config["data"]
    is_open = [key for key in ("image_size", "mean", "std") if data[key] is None]
    expected = _find_expected(backbone) if is_open else None
    if "image_size" in is_open and expected is None:
        name = backbone.get("_target_") if isinstance(backbone, Mapping) else backbone
        raise ConfigError(
            "data.image_size",
            f"got None, and {name} does not say which size it is made for; it takes a number of pixels, such as 224.",
        )
    if expected is None:
        return {}
    filled: dict[str, Any] = {"image_size": expected.image_size} if "image_size" in is_open else {}
    has_weights = _argument(backbone, "pretrained") is True or _argument(backbone, "checkpoint")
    if has_weights and len(expected.mean) == data["channels"]:
        filled |= {key: list(getattr(expected, key)) for key in ("mean", "std") if key in is_open}
    return filled


def describe_followed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Returns a line for the user where `follow_backbone` has filled something in; no line where it has not."""
    data = after["data"]
    filled = [f"data.{key}={data[key]}" for key in ("image_size", "mean", "std") if data[key] != before["data"][key]]
    if not filled:
        return []
    return [f"{' '.join(filled)}, as {_argument(after['learner']['hparams']['model']['backbone'], 'name')} expects"]


def describe_difference(backbone: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
    """Returns a line for the user where a pretrained backbone was trained on images normalized otherwise.

    Args:
        backbone: Resolved node of `learner.hparams.model.backbone`.
        data: The resolved data section, after `follow_backbone`.
    """
    expected = _find_expected(backbone) if _argument(backbone, "pretrained") is True else None
    if expected is None or (_is_near(expected.mean, data["mean"]) and _is_near(expected.std, data["std"])):
        return None
    mean, std = ([round(value, 4) for value in values] for values in (expected.mean, expected.std))
    return (
        f"{_argument(backbone, 'name')} was pretrained on images of data.mean={mean} data.std={std} (and "
        f"{expected.image_size} pixels); this data has mean={data['mean']} std={data['std']} (and {data['image_size']} "
        "pixels)"
    )


def _find_expected(backbone: Any) -> ExpectedInput | None:
    """Asks the class of a backbone; None of one that does not say.

    Raises:
        ConfigError: The class cannot be found, or has no answer for the name.
    """
    name = _argument(backbone, "name") if isinstance(backbone, Mapping) else None
    if not isinstance(name, str):
        return None
    target = backbone.get("_target_")
    describe = getattr(locate(target, _KEY), "expected_input", None)
    if describe is None:
        return None
    call = f"{target}.expected_input({name!r})"
    try:
        with user_code():
            expected = describe(name)
    except ValueError as error:
        raise ConfigError(f"{_KEY}.name", str(error)) from error
    except Exception as error:  # a user's code
        raise ConfigError(_KEY, f"{call} raised {describe_exception(error)}") from error
    if expected is not None and not isinstance(expected, ExpectedInput):
        raise ConfigError(_KEY, f"{call} gave a {type(expected).__name__}; it gives an ExpectedInput or None.")
    return expected


def _argument(backbone: Mapping[str, Any], name: str) -> Any:
    """Returns the value of an argument of a backbone: what its node says, else its default."""
    if name in backbone:
        return backbone[name]
    try:
        parameter = inspect.signature(locate(backbone.get("_target_"), _KEY)).parameters.get(name)
    except (TypeError, ValueError):
        return None
    return None if parameter is None or parameter.default is inspect.Parameter.empty else parameter.default


def _is_near(expected: Sequence[float], found: Sequence[float] | None) -> bool:
    if found is None or len(expected) != len(found):
        return False
    return all(abs(a - b) <= _TOLERANCE for a, b in zip(expected, found, strict=True))
