"""The head interface. It is a convention of attributes: a class need not inherit from `Head` to be one."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch
from torch import nn

__all__ = ["Head", "in_float32"]


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


def in_float32(device: torch.device) -> AbstractContextManager[Any]:
    """Switches autocast off inside: angles and distances are differences, of which the 8 bits of bfloat16 leave little.

    Args:
        device: Where the head computes; torch's meta device has no autocast to switch off.
    """
    return torch.autocast(device.type, enabled=False) if torch.amp.is_autocast_available(device.type) else nullcontext()
