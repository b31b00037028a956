"""LeNet-5 with strides in the place of pooling: the backbone of SESEMI's tutorial, for images of any size.

After LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998.
"""

from torch import Tensor, nn

from sesemi_search.errors import ArgumentError
from sesemi_search.models.backbones.base import Backbone

__all__ = ["LeNet5"]


class LeNet5(Backbone):
    """Two 5x5 convolutions of stride 2 and two fully connected layers.

    Args:
        out_features: D, the number of features of an image.
        in_channels: C of the images.
        image_size: H and W of the images, at least 13.

    Raises:
        ValueError: The images are too small.
    """

    def __init__(self, out_features: int = 84, in_channels: int = 3, image_size: int = 32) -> None:
        super().__init__()
        side = (((image_size - 5) // 2 + 1) - 5) // 2 + 1
        if side < 1:
            raise ArgumentError("image_size", f"{image_size=}; it takes images of at least 13 pixels")
        self.out_features = out_features
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5, stride=2),
            nn.ReLU(),
            nn.Conv2d(6, 16, kernel_size=5, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * side**2, 120),
            nn.ReLU(),
            nn.Linear(120, out_features),
            nn.ReLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to features (B, D)."""
        features: Tensor = self.layers(images)
        return features
