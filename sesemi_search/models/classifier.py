"""The classifier, and how one is built from its config.

A backbone and a head are held to their interfaces by attributes, not by base class: a user's class conforms when it
exposes what is needed. What does not conform gets an error that says what to write.
"""

import inspect
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from torch import Tensor, nn

from sesemi_search.config.targets import instantiate
from sesemi_search.errors import ConfigError, describe_exception, user_code

__all__ = ["BACKBONE_KEY", "HEAD_KEY", "MODEL_KEY", "Classifier", "build_classifier"]

MODEL_KEY = "learner.hparams.model"
BACKBONE_KEY = f"{MODEL_KEY}.backbone"
HEAD_KEY = f"{MODEL_KEY}.head"
_TUTORIAL = 'See the tutorial "Custom Backbones and Heads".'


class Classifier(nn.Module):
    """Images (B, C, H, W) to logits (B, K).

    Attributes:
        backbone: Images to features (B, D).
        head: Features to logits.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images (B, C, H, W) to logits (B, K).

        A training step passes labels (B,) whatever the head is: they reach it only in training, and only if it says
        `takes_labels` (see `sesemi_search.models.heads.base`).
        """
        features = self.backbone(images)
        wanted = self.training and labels is not None and getattr(self.head, "takes_labels", False)
        logits: Tensor = self.head(features, labels) if wanted else self.head(features)
        return logits


def build_classifier(backbone: Mapping[str, Any], head: Mapping[str, Any], num_classes: int) -> Classifier:
    """Builds a classifier from the `_target_` nodes of its backbone and its head.

    Args:
        backbone: Node of `learner.hparams.model.backbone`.
        head: Node of `learner.hparams.model.head`; `in_features` and `out_features` are added here.
        num_classes: K, the number of classes.

    Raises:
        ConfigError: The backbone or the head cannot be built, or does not conform to its interface.
    """
    built_backbone = instantiate(backbone, BACKBONE_KEY)
    in_features = _backbone_features(built_backbone)
    built_head = instantiate(head, HEAD_KEY, in_features=in_features, out_features=num_classes)
    _check_head(built_head, {"in_features": in_features, "out_features": num_classes})
    return Classifier(built_backbone, built_head)


def _backbone_features(backbone: Any) -> int:
    """Returns the number of features that a backbone gives, having checked that it conforms."""
    name = _check_module(backbone, BACKBONE_KEY)
    if not _has(backbone, "out_features", BACKBONE_KEY):
        raise ConfigError(
            BACKBONE_KEY,
            f"{name} has no attribute 'out_features'. A backbone tells the head how many features it "
            f"gives: write `self.out_features = 84` (its own number) in {name}.__init__. {_TUTORIAL}",
        )
    features = backbone.out_features
    if not _is_positive_int(features):
        raise ConfigError(
            BACKBONE_KEY,
            f"{name}.out_features, got {features!r}; it takes an int of at least 1, the number of "
            f"features of an image. Set it in {name}.__init__. {_TUTORIAL}",
        )
    return int(features)


def _check_head(head: object, expected: Mapping[str, int]) -> None:
    """Checks that a head exposes the two numbers that it was built with."""
    name = _check_module(head, HEAD_KEY)
    for attribute, value in expected.items():
        if not _has(head, attribute, HEAD_KEY):
            raise ConfigError(
                HEAD_KEY,
                f"{name} has no attribute {attribute!r}. Write `self.{attribute} = {attribute}` in "
                f"{name}.__init__. {_TUTORIAL}",
            )
        found = getattr(head, attribute)
        if not _is_positive_int(found) or found != value:
            raise ConfigError(
                HEAD_KEY,
                f"{name}.{attribute}, got {found!r}, but the head was built with {attribute}={value}. "
                f"Write `self.{attribute} = {attribute}` in {name}.__init__. {_TUTORIAL}",
            )
    _check_head_call(head, name)


def _check_head_call(head: Any, name: str) -> None:
    """Checks that a head takes what it is going to be called with: features, and labels in training if it says so."""
    calls = {"(features)": 1, "(features, labels)": 2} if getattr(head, "takes_labels", False) else {"(features)": 1}
    try:
        signature = inspect.signature(head.forward)
    except (TypeError, ValueError):
        return  # it does not say; the first batch will
    for call, count in calls.items():
        try:
            signature.bind(*range(count))
        except TypeError as error:
            raise ConfigError(
                HEAD_KEY,
                f"{name}.forward{signature} cannot be called with {call}: {error}. A head with "
                "takes_labels = True has `forward(self, features, labels=None)` and gets labels in training only; any "
                f"other has `forward(self, features)`. {_TUTORIAL}",
            ) from error


def _check_module(module: object, key: str) -> str:
    """Checks that what was built is an nn.Module; returns the name of its class."""
    name = type(module).__name__
    if not isinstance(module, nn.Module):
        raise ConfigError(key, f"{name} is not a torch.nn.Module. Write `class {name}(nn.Module)`. {_TUTORIAL}")
    return name


def _has(module: object, attribute: str, key: str) -> bool:
    """Whether a module has an attribute, which may be a property that raises."""
    try:
        with user_code():
            return hasattr(module, attribute)
    except Exception as error:
        raise ConfigError(key, f"{type(module).__name__}.{attribute} raised {describe_exception(error)}") from error


def _is_positive_int(value: object) -> bool:
    # A bool is an int to Python; as a number of features it is a mistake.
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1
