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

__all__ = ["ArcFaceHead", "CosineHead", "ScaledCosineHead"]


def _cosines(features: Tensor, weight: Tensor) -> Tensor:
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
        self.weight = nn.Parameter(nn.init.kaiming_normal_(torch.empty(out_features, in_features)))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to logits (B, K)."""
        return _cosines(features, self.weight)


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
        self.weight = nn.Parameter(nn.init.kaiming_normal_(torch.empty(out_features, in_features)))
        # The logarithm keeps a learned scale above 0 (as CLIP does); a fixed one is a parameter without gradient, so
        # that the weights of a run carry the scale that they were trained with.
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)), requires_grad=learnable)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to logits (B, K)."""
        return _cosines(features, self.weight) * self.log_scale.exp()


class ArcFaceHead(Head):
    """Scaled cosines; in training the angle to the true class counts as `margin` larger than it is.

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019, arXiv:1801.07698.

    Its loss is the cross-entropy of these logits. train/top1 is counted under the margin, so it lies below what the
    same weights score in evaluation.

    Args:
        in_features: D, the number of features of an image.
        out_features: K, the number of classes.
        scale: Factor of the cosines, above 0. The paper takes 64 for tens of thousands of classes; few need less.
        margin: Added angle in radians, in [0, pi / 2]; 0.5 in the paper. 0 makes it a scaled cosine head.

    Raises:
        ValueError: An argument lies outside its range.
    """

    takes_labels = True

    def __init__(self, in_features: int, out_features: int, scale: float = 30.0, margin: float = 0.5) -> None:
        super().__init__()
        if not scale > 0 or not math.isfinite(scale):
            raise ArgumentError("scale", f"{scale=}; it takes a finite number above 0")
        if not 0 <= margin <= math.pi / 2:
            raise ArgumentError("margin", f"{margin=}; it takes an angle in radians, from 0 to pi / 2")
        self.in_features = in_features
        self.out_features = out_features
        self.scale = scale
        self.margin = margin
        self.weight = nn.Parameter(nn.init.kaiming_normal_(torch.empty(out_features, in_features)))

    def forward(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Features (B, D) to logits (B, K), with the margin where labels (B,) are given."""
        cosine = _cosines(features, self.weight)
        if labels is None:
            return cosine * self.scale
        target = cosine.gather(1, labels[:, None])
        return cosine.scatter(1, labels[:, None], self._widen(target)) * self.scale

    def _widen(self, cosine: Tensor) -> Tensor:
        """Returns the cosine of the angle plus the margin, and past pi a line that goes on falling."""
        # The gradient of the root is infinite at 0, where rounding may put a cosine of 1 and more.
        sine = (1 - cosine.square()).clamp_min(1e-7).sqrt()
        widened = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        beyond = cosine - self.margin * math.sin(self.margin)
        return torch.where(cosine > -math.cos(self.margin), widened, beyond)
