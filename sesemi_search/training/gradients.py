"""The gradients of a batch, as a training step takes them; the check before a search takes them here too."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["compute_gradients"]


def compute_gradients(
    loss: Tensor, model: nn.Module, optimizer: Optimizer, scaler: torch.amp.GradScaler, max_norm: float | None
) -> None:
    """Computes the gradients of a loss, scaled for the scaler's step, and clipped.

    Args:
        loss: A scalar.
        model: Whose gradients are clipped.
        optimizer: Of the parameters that train.
        scaler: Scales the loss, where it is enabled, so that float16 does not lose small gradients.
        max_norm: Largest L2 norm of all gradients together (Pascanu et al., 2013); None does not clip.
    """
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    if max_norm is not None:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), max_norm)
