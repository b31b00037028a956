"""Learning-rate schedules over a whole run, in the signature that the builder serves.

`num_steps` is the number of scheduler steps of the run, `steps_per_epoch` those of an epoch; the builder passes both to
schedules that take them, so configs never repeat them. Torch's own schedules work by `_target_` too.
"""

import functools
import logging

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from sesemi_search.errors import ArgumentError

__all__ = ["PolynomialLR", "cosine_lr"]

_logger = logging.getLogger("sesemi_search")


class PolynomialLR(LRScheduler):
    """Linear warm-up, then polynomial decay to zero; SESEMI's schedule.

    With s the step, W the warm-up steps, M all steps and lr0 the optimizer's rate: `s < W` gives
    `warmup_lr + (lr0 - warmup_lr) * s / W`, `s >= M` gives 0, and between them it is
    `lr0 * (1 - (s - W) / (M - W)) ** lr_pow`.

    Args:
        optimizer: Its rates are lr0, for each parameter group.
        num_steps: M, at least 1.
        steps_per_epoch: Scheduler steps an epoch, at least 1.
        warmup_epochs: Epochs of warm-up, at least 0; more than the run has are clipped to it, with a warning.
        warmup_lr: Rate of the first step where there is a warm-up.
        lr_pow: Power of the decay, above 0.

    Raises:
        ValueError: `warmup_epochs` is negative or `lr_pow` is not above 0.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        num_steps: int,
        steps_per_epoch: int,
        warmup_epochs: float = 10,
        warmup_lr: float = 0.001,
        lr_pow: float = 0.5,
    ) -> None:
        if warmup_epochs < 0:
            raise ArgumentError("warmup_epochs", f"{warmup_epochs=}; it takes a number of epochs, at least 0")
        if not lr_pow > 0:
            raise ArgumentError("lr_pow", f"{lr_pow=}; it takes a number above 0")
        self.num_steps = num_steps
        self.warmup_steps = min(round(warmup_epochs * steps_per_epoch), num_steps)
        self.warmup_lr = warmup_lr
        self.lr_pow = lr_pow
        if warmup_epochs * steps_per_epoch > num_steps:
            _say_clipped(warmup_epochs, num_steps / steps_per_epoch)
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch widens it to tensors, which we do not use
        """Returns the rate of each parameter group at the current step."""
        step, warmup, total = self.last_epoch, self.warmup_steps, self.num_steps
        if step >= total:
            return [0.0 for _ in self.base_lrs]
        if step < warmup:
            return [float(self.warmup_lr + (lr - self.warmup_lr) * step / warmup) for lr in self.base_lrs]
        return [float(lr * (1 - (step - warmup) / (total - warmup)) ** self.lr_pow) for lr in self.base_lrs]


def cosine_lr(optimizer: Optimizer, num_steps: int, eta_min: float = 0.0) -> CosineAnnealingLR:
    """Returns torch's cosine annealing over the whole run (Loshchilov and Hutter, 2017, without restarts).

    Args:
        optimizer: Its rates are where the cosine begins.
        num_steps: Scheduler steps of the run, at least 1.
        eta_min: Rate at the end.
    """
    return CosineAnnealingLR(optimizer, T_max=num_steps, eta_min=eta_min)


@functools.cache  # once a process, not once a trial
def _say_clipped(warmup_epochs: float, num_epochs: float) -> None:
    _logger.warning(
        "lr_scheduler: warmup_epochs=%g is more than the run has; the warm-up is clipped to its %g epochs, "
        "so the rate never decays.",
        warmup_epochs,
        num_epochs,
    )
