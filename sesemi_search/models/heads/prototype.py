"""The prototype head: a class is a point in feature space, and logits are how near an image is to it.

Snell et al., "Prototypical Networks for Few-shot Learning", 2017, arXiv:1703.05175, with prototypes that are learned
rather than averaged.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sesemi_search.errors import ArgumentError
from sesemi_search.models.heads.base import Head, in_float32

__all__ = ["PrototypeHead"]


class PrototypeHead(Head):
    """Negative squared Euclidean distance to a learned prototype of each class, over a temperature.

    Args:
        in_features: D, the number of features of an image.
        out_features: K, the number of classes.
        temperature: What distances are divided by, above 0; D makes it the mean over the features.

    Raises:
        ValueError: `temperature` is not above 0.
    """

    def __init__(self, in_features: int, out_features: int, temperature: float = 1.0) -> None:
        super().__init__()
        if not temperature > 0 or not math.isfinite(temperature):
            raise ArgumentError("temperature", f"{temperature=}; it takes a finite number above 0")
        self.in_features = in_features
        self.out_features = out_features
        self.temperature = temperature
        self.prototypes = nn.Parameter(nn.init.kaiming_normal_(torch.empty(out_features, in_features)))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to logits (B, K)."""
        # |f - p|^2 multiplied out: one matrix product, and no (B, K, D) in memory.
        with in_float32(features.device):
            features = features.float()
            nearness = functional.linear(features, 2 * self.prototypes, -self.prototypes.square().sum(dim=1))
            return (nearness - features.square().sum(dim=1, keepdim=True)) / self.temperature
