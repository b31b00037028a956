"""Any classification model of torchvision as a backbone.

torchvision is imported when one is built, never before: it takes seconds.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sesemi_search.errors import ArgumentError, suggest
from sesemi_search.models.backbones.published import (
    PublishedBackbone,
    check_beginning,
    load_file,
    loading_error,
)
from sesemi_search.models.classifier import BACKBONE_KEY
from sesemi_search.models.expected_input import ExpectedInput
from sesemi_search.models.weights import load_strictly, weights_wanted

__all__ = ["TorchVisionBackbone"]

# These two have classifiers on the way as well, whose outputs nothing here trains.
_WITH_SIDE_EXITS = {"googlenet": ("aux1", "aux2"), "inception_v3": ("AuxLogits",)}
_PROBE_SIZE = 64


class TorchVisionBackbone(PublishedBackbone):
    """A classification model of torchvision without its last layer, for images of 3 channels.

    Args:
        name: Name of the model: `resnet50`, `efficientnet_b0`, `vit_b_16`.
        pretrained: Loads torchvision's default weights; they are downloaded to torch's hub cache when not there.
        drop_rate: Share of the features that are zeroed in training, in [0, 1], besides the dropout that the model has.
        freeze: Keeps the weights, and the statistics of batch norm, as they are.
        checkpoint: Absolute path of weights to begin with in place of the default ones; a classifier in them is passed
            over, everything else must fit.

    Raises:
        ValueError: An argument is not one that the model takes.
        ConfigError: The weights cannot be had, or do not fit.
    """

    channels_help = "set data.channels=3, which repeats a gray channel"

    def __init__(
        self,
        name: str = "resnet50",
        pretrained: bool = False,
        drop_rate: float = 0.0,
        freeze: bool = False,
        checkpoint: str | None = None,
    ) -> None:
        published = _published_weights(name)
        check_beginning(pretrained, checkpoint)
        encoder = _build(name, pretrained)
        classifier = _take_classifier_off(encoder)
        left_out = (classifier, *_WITH_SIDE_EXITS.get(name, ()))
        if checkpoint is not None:
            load_file(encoder, name, checkpoint, left_out)
        elif pretrained and weights_wanted():
            opening = f"the published weights of {name} do not fit it"
            load_strictly(encoder, _download(name, published), opening, left_out, key=BACKBONE_KEY)
        # A vision transformer is made for one size, which is not always that of its weights.
        size = getattr(encoder, "image_size", max(_PROBE_SIZE, *published.meta["min_size"]))
        super().__init__(encoder, 3, size, freeze)
        self.dropout = nn.Dropout(drop_rate)

    @staticmethod
    def expected_input(name: str) -> ExpectedInput:
        """Returns what the default weights of a model were trained on."""
        preset = _published_weights(name).transforms()
        return ExpectedInput(tuple(preset.mean), tuple(preset.std), preset.crop_size[0])

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to features (B, D)."""
        features: Tensor = self.dropout(super().forward(images))
        return features


def _published_weights(name: str) -> Any:
    """Returns torchvision's description of the default weights of a model.

    Raises:
        ValueError: There is no such classification model.
    """
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        version = torchvision.__version__
        raise ArgumentError(
            "name", f"{name=}; torchvision {version} has no such classification model.{suggest(name, names)}"
        )
    return torchvision.models.get_model_weights(name).DEFAULT


def _build(name: str, pretrained: bool) -> nn.Module:
    import torchvision

    arguments: dict[str, bool] = {}
    if name in _WITH_SIDE_EXITS:
        # Their weights expect another normalization than that of all others, and the model can bring it about itself.
        arguments = {"aux_logits": False, "init_weights": True, "transform_input": pretrained}
    model: nn.Module = torchvision.models.get_model(name, weights=None, **arguments)
    return model


def _take_classifier_off(model: nn.Module) -> str:
    """Replaces the last layer, which is a convolution in SqueezeNet, and returns its name."""
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    last: str = names[-1]
    model.set_submodule(last, nn.Identity())
    return last


def _download(name: str, published: Any) -> Mapping[str, Tensor]:
    """Returns the default weights, from torch's hub cache where they are there.

    Raises:
        ConfigError: They are not, and cannot be downloaded.
    """
    try:
        weights: Mapping[str, Tensor] = published.get_state_dict(
            progress=False, check_hash=True, map_location="cpu", weights_only=True
        )
    except Exception as error:  # of the network, or of torch over a broken file
        file = Path(torch.hub.get_dir()) / "checkpoints" / published.url.rpartition("/")[2]
        raise loading_error(name, error, f"{published.url} belongs at {file}") from error
    if not name.startswith("densenet"):
        return weights
    # Saved when a name could hold a dot: denselayer1.norm.1 is denselayer1.norm1 today.
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key): value for key, value in weights.items()}
