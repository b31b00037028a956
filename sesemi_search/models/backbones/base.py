"""The backbone interface. It is a convention of attributes: a class need not inherit from `Backbone` to be one."""

from torch import nn

__all__ = ["Backbone"]


class Backbone(nn.Module):
    """Turns images (B, C, H, W) into features (B, D).

    Attributes:
        out_features: D, the number of features of an image; at least 1. Set in the constructor.
    """

    out_features: int
