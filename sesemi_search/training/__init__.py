"""Training one model on one device: the fit loop, learning-rate schedules, checkpoints."""

from sesemi_search.training.build import build_loss, build_lr_scheduler, build_optimizer
from sesemi_search.training.checkpoint import load_checkpoint, save_checkpoint
from sesemi_search.training.device import Placement, resolve_device
from sesemi_search.training.fit import Diverged, Fit, eval_weights

__all__ = [
    "Diverged",
    "Fit",
    "Placement",
    "build_loss",
    "build_lr_scheduler",
    "build_optimizer",
    "eval_weights",
    "load_checkpoint",
    "resolve_device",
    "save_checkpoint",
]
