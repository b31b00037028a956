"""Backbones that are smallest elsewhere than where all their numbers are low, or all are high."""

from sesemi.models.backbones.base import Backbone
from torch import Tensor, nn


class Strided(Backbone):
    """Is cheapest where it is narrow and its stride is long."""

    def __init__(self, width: int = 16, stride: int = 1) -> None:
        super().__init__()
        self.out_features = width
        side = -(-32 // stride)
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, stride, 1), nn.Flatten(), nn.Linear(width * side * side, width)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Valley(Backbone):
    """Is widest at 0 and at 64, and 1 wide at 32."""

    def __init__(self, at: int = 0) -> None:
        super().__init__()
        self.out_features = abs(at - 32) + 1
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3072, self.out_features))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)
