"""The head interface. It is a convention of attributes: a class need not inherit from `Head` to be one."""

from torch import nn

__all__ = ["Head"]


class Head(nn.Module):
    """Turns features (B, D) into logits (B, K). Built with both attributes as keyword arguments.

    Attributes:
        in_features: D, the number of features of an image.
        out_features: K, the number of classes.
    """

    in_features: int
    out_features: int
