"""A multi-layer perceptron over the pixels: the baseline that a convolution has to beat."""

from torch import Tensor, nn

from sesemi_search.errors import ArgumentError
from sesemi_search.models.backbones.base import Backbone

__all__ = ["MLP"]


class MLP(Backbone):
    """Fully connected layers over the flattened image.

    Args:
        image_size: H and W of the images.
        depth: Layers, at least 1.
        width: D, the features of each layer and of the image, at least 1.
        dropout: Share of the features of each layer that are zeroed in training, in [0, 1].
        in_channels: C of the images.

    Raises:
        ValueError: An argument lies outside its range.
    """

    def __init__(
        self, image_size: int = 32, depth: int = 2, width: int = 256, dropout: float = 0.0, in_channels: int = 3
    ) -> None:
        super().__init__()
        if depth < 1 or width < 1:
            raise ArgumentError("depth", f"{depth=}, {width=}; both take 1 or more")
        self.out_features = width
        self.layers = nn.Sequential(nn.Flatten())
        for inputs in [in_channels * image_size**2, *[width] * (depth - 1)]:
            self.layers.extend([nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)])

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to features (B, D)."""
        features: Tensor = self.layers(images)
        return features
