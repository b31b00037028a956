"""The head interface. It is a convention of attributes: a class need not inherit from `Head` to be one."""

from typing import ClassVar

from torch import nn

__all__ = ["Head"]


class Head(nn.Module):
    """Turns features (B, D) into logits (B, K). Built with both features as keyword arguments.

    A head whose training needs the answers (one with a margin, say) sets `takes_labels = True`. In training, and only
    then, it is called `head(features, labels)` with labels (B,); everywhere else, and every other head,
    `head(features)`.

    Attributes:
        in_features: D, the number of features of an image.
        out_features: K, the number of classes.
        takes_labels: Whether it is given the labels in training. A head without this attribute is not.
    """

    in_features: int
    out_features: int
    takes_labels: ClassVar[bool] = False
