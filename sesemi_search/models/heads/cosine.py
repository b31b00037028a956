"""Cosine heads: logits from the angle between features and class weights, whatever the length of either.

Bare cosines lie in [-1, 1], so cross-entropy over 10 classes cannot fall below about 0.797 however good the features
are. A scale (an inverse softmax temperature) lifts that floor; see Wang et al., "NormFace", 2017, arXiv:1704.06369.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sesemi_search.errors import ArgumentError
from sesemi_search.models.heads.base import Head, in_float32

__all__ = ["CosineHead", "ScaledCosineHead", "cosines"]


def cosines(features: Tensor, weight: Tensor) -> Tensor:
    """Returns the cosines (B, K) between features (B, D) and class weights (K, D), in float32."""
    with in_float32(features.device):
        return functional.linear(functional.normalize(features.float()), functional.normalize(weight))


class CosineHead(Head):
    """Cosine similarity of features and class weights, as it is: accuracy is the metric to search on, not the loss.

    Args:
        in_features: D, the number of features of an image.
        out_features: K, the number of classes.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        nn.init.kaiming_normal_(self.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to logits (B, K)."""
        return cosines(features, self.weight)


class ScaledCosineHead(Head):
    """Cosine similarity of features and class weights, scaled.

    Args:
        in_features: D, the number of features of an image.
        out_features: K, the number of classes.
        scale: Factor of the cosines, above 0; logits lie in [-scale, scale].
        learnable: Trains the scale, from `scale` on.

    Raises:
        ValueError: `scale` is not above 0.
    """

    def __init__(self, in_features: int, out_features: int, scale: float = 16.0, learnable: bool = False) -> None:
        super().__init__()
        if not scale > 0 or not math.isfinite(scale):
            raise ArgumentError("scale", f"{scale=}; it takes a finite number above 0")
        self.in_features = in_features
        self.out_features = out_features
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        nn.init.kaiming_normal_(self.weight)
        # The logarithm keeps a learned scale above 0 (as CLIP does); a fixed one is a parameter without gradient, so
        # that the weights of a run carry the scale that they were trained with.
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)), requires_grad=learnable)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to logits (B, K)."""
        return cosines(features, self.weight) * self.log_scale.exp()
