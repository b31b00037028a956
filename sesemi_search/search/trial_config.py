"""The config of a trial: an experiment with a sample applied, resolved, and all filled in that it leaves open."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sesemi_search.config.experiment import Complete, Sampled
from sesemi_search.config.schema import DataConfig
from sesemi_search.data.normalization import fill_normalization
from sesemi_search.data.stored import ImageSplit
from sesemi_search.errors import ConfigError
from sesemi_search.models.expected_input import follow_backbone
from sesemi_search.preflight.branches import Checked

__all__ = ["Resolver", "common_image_size", "make_resolver"]

Resolver = Callable[[Sampled], Complete]
_NORMALIZATION = ("mean", "std")


def common_image_size(checked: Checked) -> int | None:
    """Returns the size that the backbones of a space are made for, None where no branch works.

    Raises:
        ConfigError: They are made for different sizes.
    """
    sizes: dict[int, Any] = {}
    for config in _working(checked):
        sizes.setdefault(config["data"]["image_size"], config["learner"]["hparams"]["model"]["backbone"].get("name"))
    if len(sizes) > 1:
        shown = ", ".join(f"{size} ({name})" for size, name in sorted(sizes.items()))
        raise ConfigError(
            "data.image_size",
            f"got None, and the backbones of the space are made for different sizes: {shown}. A "
            "search loads its images once for all trials; it takes one size in pixels.",
        )
    return next(iter(sizes), None)


def make_resolver(data: DataConfig, checked: Checked, train: ImageSplit) -> Resolver:
    """Returns what resolves a trial's config and fills in all that it leaves open.

    Each can then be run again, and its model used, without these images.

    Args:
        data: The data config.
        checked: The space as it was checked.
        train: The training images, which are measured if a backbone leaves the normalization open.
    """
    measured: dict[str, list[float] | None] = {}
    if any(config["data"][key] is None for config in _working(checked) for key in _NORMALIZATION):
        filled = fill_normalization(data, train)
        measured = {key: getattr(filled, key) for key in _NORMALIZATION}
    return partial(follow_backbone, measured=measured)


def _working(checked: Checked) -> list[Complete]:
    """Returns the configs of the branches without a problem, at both ends."""
    return [end.config for branch in checked.branches if not branch.problems for end in branch.ends if end.config]
