"""Modules that go wrong, each in its own way, for the tests."""

import sys
import time
from pathlib import Path

import torch
from sesemi.models.backbones.base import Backbone
from sesemi.models.heads.base import Head
from torch import Tensor, nn


class Tiny(Backbone):
    """Works: global average and a linear layer."""

    def __init__(self, out_features: int = 8) -> None:
        super().__init__()
        self.out_features = out_features
        self.layers = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.LazyLinear(out_features))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Flat(Backbone):
    """Works: one linear layer."""

    def __init__(self, out_features: int = 8) -> None:
        super().__init__()
        self.out_features = out_features
        self.layers = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(192, out_features))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class InPlace(Flat):
    """Changes its batch in place."""

    def forward(self, images: Tensor) -> Tensor:
        images.mul_(0).add_(7)
        return super().forward(images)


class NoOutFeatures(nn.Module):
    """Does not say how many features it gives."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


class NoInFeatures(Head):
    """Does not take in_features."""

    def __init__(self, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = 8, out_features

    def forward(self, features: Tensor) -> Tensor:
        return features


class RaisesInEpoch2(Flat):
    """Raises in the second epoch of training."""

    def __init__(self, out_features: int = 8) -> None:
        super().__init__(out_features)
        self.register_buffer("evaluations", torch.zeros((), dtype=torch.int64))

    def train(self, mode: bool = True) -> "RaisesInEpoch2":
        if mode and self.training is False and self.evaluations.device.type != "meta":
            raise RuntimeError("this backbone does not like its second epoch")
        return super().train(mode)


class PrintsAndRaises(RaisesInEpoch2):
    """Prints to both streams before it raises."""

    def train(self, mode: bool = True) -> "PrintsAndRaises":
        if mode and self.training is False and self.evaluations.device.type != "meta":
            print("to standard output")
            print("to standard error", file=sys.stderr)
        return super().train(mode)


class Diverges(Flat):
    """Gives NaN from its second training batch on."""

    def __init__(self, out_features: int = 8) -> None:
        super().__init__(out_features)
        self.num_batches = 0

    def forward(self, images: Tensor) -> Tensor:
        self.num_batches += self.training
        return super().forward(images) * (float("nan") if self.num_batches > 1 else 1)


class Slow(Flat):
    """Takes 20 ms a batch, so that there is time to kill something."""

    def forward(self, images: Tensor) -> Tensor:
        if images.device.type != "meta":
            time.sleep(0.02)
        return super().forward(images)


class Odd(Flat):
    """Cannot be built with every width."""

    def __init__(self, width: float) -> None:
        if width % 4:
            raise ValueError("width must be a multiple of 4")
        super().__init__(int(width))


class LosesGpu(Flat):
    """Fails once, the first time it is trained, and leaves its worker as one whose GPU answers no more."""

    def __init__(self, marker: str, out_features: int = 8) -> None:
        super().__init__(out_features)
        self._marker = Path(marker)

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > 8 and not images.is_meta and not self._marker.exists():  # as the check never gives it
            self._marker.touch()
            sys.modules["sesemi_search.search.ray_tune.trainable"].is_gpu_lost = lambda: True
            raise RuntimeError("device-side assert triggered")
        return super().forward(images)
