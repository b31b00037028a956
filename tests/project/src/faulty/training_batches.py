"""Modules that work on some batches alone, or under some ways of training."""

import warnings
from typing import Any

from sesemi.models.heads.base import Head
from torch import Tensor, nn

from faulty import Flat


class NormedHead(Head):
    """Batch norm over the features: it does not train on one image."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.layers = nn.Sequential(nn.BatchNorm1d(in_features), nn.Linear(in_features, out_features))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class HardestLoss(nn.Module):
    """The mean over the hardest images of a batch, which has to have as many."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses = nn.functional.cross_entropy(logits, labels, reduction="none")
        return losses.topk(self.count).values.mean()


class UnweightedLoss(nn.CrossEntropyLoss):
    """Takes weights of the classes and refuses them."""

    def __init__(self, weight: Tensor | None = None) -> None:
        super().__init__()
        if weight is not None:
            raise ValueError("weights are not supported")


class WeightNormed(Flat):
    """Under torch's old weight norm: the weight is a tensor that is computed."""

    def __init__(self, out_features: int = 8) -> None:
        super().__init__(out_features)
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # there is a newer one
            nn.utils.weight_norm(self.layers[2])


class Uncopyable(Flat):
    """Cannot be copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Uncopyable":
        raise TypeError("holds a handle")


class LazyNormed(Flat):
    """Lazy parameters and buffers."""

    def __init__(self, out_features: int = 8) -> None:
        super().__init__(out_features)
        self.layers = nn.Sequential(
            nn.LazyConv2d(4, 3, stride=4), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(out_features)
        )


class Squeezed(Flat):
    """Loses its first dimension on one image."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).squeeze(0) if not self.training else super().forward(images)


class HalfInside(Flat):
    """Keeps its weights in float16, which a scaler of the loss refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.layers[2].half()

    def forward(self, images: Tensor) -> Tensor:
        return self.layers[2](self.layers[:2](images).half()).float()
