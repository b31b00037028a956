"""What the backbones of timm and torchvision share: a published model without its classifier, which may be frozen."""

from collections.abc import Iterable
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from sesemi_search.errors import ArgumentError, ConfigError
from sesemi_search.models.backbones.base import Backbone
from sesemi_search.models.classifier import BACKBONE_KEY
from sesemi_search.models.weights import check_path, load_strictly, read_weights, weights_wanted

__all__ = ["PublishedBackbone", "check_beginning", "load_file", "loading_error"]


class PublishedBackbone(Backbone):
    """A model without its classifier.

    Args:
        encoder: The model, with its weights.
        in_channels: C of the images.
        image_size: H and W of an image that the model takes.
        freeze: Keeps the weights, and the statistics of batch norm, as they are; dropout in the model is off.

    Raises:
        ValueError: The model does not give features (B, D).
    """

    channels_help: ClassVar[str]  # how images and model come to the same channels

    def __init__(self, encoder: nn.Module, in_channels: int, image_size: int, freeze: bool) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(not freeze)
        self.in_channels = in_channels
        self.out_features = _count_features(encoder, (in_channels, image_size, image_size))
        self.frozen = freeze
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Sets training or evaluation; what is frozen stays in evaluation, the statistics of batch norm with it."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to features (B, D).

        Raises:
            ValueError: The images have other channels than the model.
        """
        if images.shape[1] != self.in_channels:
            found = images.shape[1]
            raise ValueError(f"images of {found} channels, and a model for {self.in_channels}; {self.channels_help}")
        features: Tensor = self.encoder(images)
        return features


def check_beginning(pretrained: bool, checkpoint: str | None) -> None:
    """Checks that at most one thing gives the weights to begin with, and that a file of them is there.

    Raises:
        ValueError: Both are set, or the file is not there.
    """
    if checkpoint is None:
        return
    if pretrained:
        raise ArgumentError(
            "pretrained", "pretrained=True and checkpoint are both set; both give the weights to begin with"
        )
    check_path(checkpoint)


def load_file(encoder: nn.Module, name: str, checkpoint: str, without: Iterable[str]) -> None:
    """Loads the weights in a file; on the meta device, as the check builds models, names and shapes are compared.

    Args:
        encoder: The model, on one device.
        name: Its name, for the message.
        checkpoint: Absolute path of the file.
        without: Modules whose weights may be there and are passed over.

    Raises:
        ConfigError: The file cannot be read, or does not fit.
    """
    weights_wanted()  # tells the check that there are some; a file is compared even where nothing may be downloaded
    key = f"{BACKBONE_KEY}.checkpoint"
    try:
        weights = read_weights(checkpoint, next(encoder.parameters()).device)
    except ValueError as error:
        raise ConfigError(key, f"got {checkpoint!r}, which cannot be read: {error}.") from error
    advice = "Take the file of this model; in a space, make each name an option with its own checkpoint."
    load_strictly(encoder, weights, f"the weights of {checkpoint} do not fit {name}", without, advice, key)


def loading_error(name: str, error: Exception, remedy: str) -> ConfigError:
    """Returns what to raise where published weights could not be loaded; `remedy` says where to put them by hand."""
    reason = (str(error).splitlines() or [""])[0]
    return ConfigError(
        BACKBONE_KEY,
        f"the published weights of {name} could not be loaded ({type(error).__name__}: {reason}). "
        f"{remedy}. Or set {BACKBONE_KEY}.checkpoint to a file of weights, with pretrained=false.",
    )


@torch.no_grad()
def _count_features(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """Runs one image through a model and returns the number of features: what models say of themselves may be false.

    Args:
        model: Images (B, C, H, W) to features (B, D); left in evaluation.
        shape: C, H and W of an image that the model takes.

    Raises:
        ValueError: What comes out is not (1, D).
    """
    device = next(model.parameters()).device
    features = model.eval()(torch.zeros(1, *shape, device=device))
    if not isinstance(features, Tensor) or features.ndim != 2:
        found = f"shape {tuple(features.shape)}" if isinstance(features, Tensor) else f"a {type(features).__name__}"
        raise ValueError(f"an image of {shape} gives {found}; a backbone gives features of shape (1, D)")
    return int(features.shape[1])
