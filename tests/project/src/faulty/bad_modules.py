"""Backbones, heads and losses that the check has to find, each wrong in one way, for 3x32x32 images and 10 classes."""

from typing import Any

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """Works: 192 features, from which a subclass makes something wrong."""

    out_features: Any = 192

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(4)

    def forward(self, images: Tensor) -> Any:
        return self.pool(images).flatten(1)


class WrongFlatten(Backbone):
    def __init__(self) -> None:
        super().__init__()
        self.out_features = 8
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Flatten(), nn.Linear(400, 8))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class LyingWidth(Backbone):
    out_features = 84


class TupleBackbone(Backbone):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images), images


class NaNBackbone(Backbone):
    def forward(self, images: Tensor) -> Tensor:
        return torch.log(super().forward(images) - 100)


class RaisingConstructor(Backbone):
    def __init__(self, depth: int = 7) -> None:
        super().__init__()
        raise ValueError(f"{depth=}; it takes a multiple of 3")


class ReadsItem(Backbone):
    """Works, but not on the meta device."""

    def forward(self, images: Tensor) -> Tensor:
        scale = max(1.0, images.abs().max().item())
        return super().forward(images / scale)


class WrongDtype(Backbone):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).double()


class NoKeywords(Backbone):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.width = width


class NarrowOnly(nn.Module):
    """Works up to 64 features."""

    def __init__(self, out_features: int) -> None:
        super().__init__()
        self.out_features = out_features
        self.linear = nn.Linear(192, min(out_features, 64))

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(nn.functional.avg_pool2d(images, 4).flatten(1))


class BigImages(Backbone):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.MaxPool2d(4), nn.MaxPool2d(4), nn.MaxPool2d(4))

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(self.stem(images))


class GrayImages(Backbone):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 1)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(self.conv(images))


class FloatWidth(Backbone):
    out_features = 192.0


class StringWidth(Backbone):
    out_features = "192"


class NoWidth(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


class NoModule:
    out_features = 192


class MixesTheBatch(Backbone):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).reshape(-1, 96).mean(0, keepdim=True).repeat(2, 2)


class InPlaceOnSaved(Backbone):
    """Fails in the backward pass alone."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(192))

    def forward(self, images: Tensor) -> Tensor:
        features = torch.sigmoid(super().forward(images) * self.scale)
        features += 1  # sigmoid's gradient needs its own result
        return features


class InfiniteGradient(Backbone):
    """Finite, but the root of nothing has no slope."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(192))

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) + self.shift.abs().sqrt()


class Head(nn.Module):
    """Works; from which a subclass makes something wrong."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.linear = nn.Linear(in_features, out_features)

    def forward(self, features: Tensor) -> Any:
        return self.linear(features)


class WrongClasses(Head):
    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features)[:, :7]


class TupleHead(Head):
    def forward(self, features: Tensor) -> Any:
        return self.linear(features), features


class NaNHead(Head):
    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features) * float("inf")


class TakesNoInFeatures(nn.Module):
    def __init__(self, out_features: int) -> None:
        super().__init__()
        self.out_features = out_features


class HidesInFeatures(nn.Module):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.out_features = out_features
        self.linear = nn.Linear(in_features, out_features)


class WrongWidthInside(Head):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.hidden = nn.Linear(100, 100)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.hidden(features))


class FrozenHead(Head):
    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.requires_grad_(False)


class DetachedHead(Head):
    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features).detach()


class NaNLoss(nn.Module):
    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return logits.sum() / 0 * 0


class NeedsTraining(Backbone):
    """Fails when it is evaluated."""

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            raise RuntimeError("no statistics yet")
        return super().forward(images)


class LargeNaN(NaNBackbone):
    """Too large to be run with values."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(6_000_000))


class DividesByContrast(Backbone):
    """Works but for images of one color only, such as the corners of digits."""

    def forward(self, images: Tensor) -> Tensor:
        corners = images[..., :4, :4]
        return super().forward(images) / corners.std(dim=(1, 2, 3)).view(-1, 1)
