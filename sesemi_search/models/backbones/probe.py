"""How many features a backbone gives, measured: what models say of themselves is not always true."""

import torch
from torch import Tensor, nn

__all__ = ["count_features"]


@torch.no_grad()
def count_features(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """Runs one image through a model and returns the number of features that come out; the model is left in training.

    Args:
        model: Images (B, C, H, W) to features (B, D).
        shape: C, H and W of an image that the model takes.

    Raises:
        ValueError: What comes out is not (1, D).
    """
    device = next(model.parameters()).device
    features = model.eval()(torch.zeros(1, *shape, device=device))
    model.train()
    if not isinstance(features, Tensor) or features.ndim != 2:
        found = f"shape {tuple(features.shape)}" if isinstance(features, Tensor) else f"a {type(features).__name__}"
        raise ValueError(f"an image of {shape} gives {found}; a backbone gives features of shape (1, D)")
    return int(features.shape[1])
