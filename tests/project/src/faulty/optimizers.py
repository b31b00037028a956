"""Optimizers of a user's: without annotations, one that goes wrong in its step, one that looks at values."""

import torch
from torch.optim import Optimizer

__all__ = ["FailsInStep", "Sign"]


class Sign(Optimizer):
    """Steps of one size; takes whatever it gets for a rate until a step needs a number."""

    def __init__(self, params, lr=0.01, momentum=0.9, norms=1.0, sizes: int | list[int] = 1):  # type: ignore[no-untyped-def]
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):  # type: ignore[no-untyped-def, override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and p.grad.sum().item() != 0:
                    p.add_(p.grad.sign(), alpha=-float(group["lr"]))


class FailsInStep(Sign):
    """Reads in its step what is not there."""

    @torch.no_grad()
    def step(self, closure=None):  # type: ignore[no-untyped-def]
        raise KeyError(f"beta{len(self.param_groups)}")
