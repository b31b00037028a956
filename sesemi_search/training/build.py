"""Builds loss, optimizer and schedule from their `_target_` nodes. All of it also works on torch's meta device."""

import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.parameter import UninitializedBuffer, is_lazy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sesemi_search.config.schema import Interval
from sesemi_search.config.targets import instantiate, locate
from sesemi_search.errors import ConfigError, describe_exception, user_code
from sesemi_search.training.without_compiler import spare_compiler

__all__ = [
    "EMA_KEY",
    "LOSS_KEY",
    "OPTIMIZER_KEY",
    "SCHEDULER_KEY",
    "build_average",
    "build_loss",
    "build_lr_scheduler",
    "build_optimizer",
    "class_weights",
    "copy_model",
    "open_arguments",
    "settle_lazy",
]

EMA_KEY = "learner.hparams.model.ema.decay"
LOSS_KEY = "learner.hparams.model.loss"
OPTIMIZER_KEY = "learner.hparams.optimizer"
SCHEDULER_KEY = "learner.hparams.lr_scheduler.scheduler"


def build_loss(node: Mapping[str, Any], weights: Tensor | None = None) -> nn.Module:
    """Builds a loss: logits (B, K) and labels (B,) to the mean over the batch, a scalar.

    Args:
        node: Node of the loss.
        weights: (K,) weights of the classes, its argument `weight`; None passes none.

    Raises:
        ConfigError: It cannot be built, is not a module, or takes no weights.
    """
    loss = instantiate(node, LOSS_KEY, **({} if weights is None else {"weight": weights}))
    if not isinstance(loss, nn.Module):
        raise ConfigError(LOSS_KEY, f"{node['_target_']} gave a {type(loss).__name__}; it takes a torch.nn.Module.")
    return loss


def build_optimizer(node: Mapping[str, Any], params: Iterable[Parameter]) -> Optimizer:
    """Builds an optimizer of those `params` that train.

    Raises:
        ConfigError: It cannot be built, is no torch optimizer, steps only with a closure, or nothing trains.
    """
    trainable = [parameter for parameter in params if parameter.requires_grad]
    if not trainable:
        raise ConfigError(
            "learner.hparams.model", "nothing to train; every parameter of the backbone and head is frozen."
        )
    spare_compiler()
    optimizer = instantiate(node, OPTIMIZER_KEY, params=trainable)
    if not isinstance(optimizer, Optimizer):
        found = type(optimizer).__name__
        raise ConfigError(OPTIMIZER_KEY, f"{node['_target_']} gave a {found}; it takes a torch.optim.Optimizer.")
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise ConfigError(
            OPTIMIZER_KEY,
            f"got {node['_target_']}, which calls the loss several times a step; it takes one that "
            "steps after a backward pass, as torch.optim.SGD.",
        )
    return optimizer


def build_lr_scheduler(
    node: Mapping[str, Any] | None,
    optimizer: Optimizer,
    steps_per_epoch: int,
    num_epochs: int,
    interval: Interval = Interval.step,
    frequency: int = 1,
) -> LRScheduler | None:
    """Builds a learning-rate schedule; None keeps the rate constant.

    Args:
        node: Node of the schedule. Of `num_steps`, `steps_per_epoch` and `num_epochs` it gets those that its target
            takes and the node does not set; the first two are counted in steps of the schedule.
        optimizer: What the schedule steers.
        steps_per_epoch: Optimizer steps an epoch, at least 1.
        num_epochs: Epochs of the run, at least 1.
        interval: Whether the schedule steps after optimizer steps or after epochs.
        frequency: After how many of them, at least 1.

    Raises:
        ConfigError: It cannot be built or is no torch schedule.
    """
    if node is None:
        return None
    per_epoch = steps_per_epoch if interval is Interval.step else 1
    known = {
        "num_steps": max(1, per_epoch * num_epochs // frequency),
        "steps_per_epoch": max(1, per_epoch // frequency),
        "num_epochs": num_epochs,
    }
    scheduler = instantiate(node, SCHEDULER_KEY, optimizer=optimizer, **open_arguments(node, SCHEDULER_KEY, known))
    # Plateau schedules count as schedules to torch, but step on a metric, which most of a search never looks at.
    if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
        found = type(scheduler).__name__
        raise ConfigError(
            SCHEDULER_KEY,
            f"{node['_target_']} gave a {found}; it takes a torch.optim.lr_scheduler.LRScheduler "
            "that steps without a metric.",
        )
    return scheduler


def build_average(model: nn.Module, decay: float) -> AveragedModel:
    """Builds an exponential moving average of the weights and buffers of a model, which it begins as a copy of.

    Args:
        model: Images (B, C, H, W) to logits (B, K).
        decay: What the average keeps of itself at each step, in (0, 1).

    Raises:
        ConfigError: The model cannot be copied.
    """
    average = AveragedModel(
        nn.Module(),
        multi_avg_fn=get_ema_multi_avg_fn(decay),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    try:
        with user_code():
            average.module = copy_model(model)
    except Exception as error:
        raise ConfigError(
            EMA_KEY,
            f"got {decay:g}, but the model cannot be copied with copy.deepcopy, as an average of its weights is: "
            f"{describe_exception(error)}. It takes null with this model.",
        ) from error
    return average


def copy_model(model: nn.Module) -> nn.Module:
    """Returns a copy of a model, lazy or not, whatever tensors it has computed from its parameters."""
    return copy.deepcopy(model, dict(_copies(model)))


def settle_lazy(average: AveragedModel, model: nn.Module) -> None:
    """Gives what is lazy in an average the shape that it has in the model since its first batch."""
    if any(map(is_lazy, (*average.module.parameters(), *average.module.buffers()))):
        average.module.load_state_dict(model.state_dict())


def _copies(model: nn.Module) -> Iterator[tuple[int, Tensor]]:
    """Yields copies of the tensors in a model that torch does not copy, each by the id of its original.

    They are lazy buffers, and tensors computed from parameters, such as the weight under the old weight norm, which
    each pass computes anew.
    """
    for module in model.modules():
        for buffer in module._buffers.values():
            if isinstance(buffer, UninitializedBuffer):
                yield id(buffer), UninitializedBuffer(device=buffer.device, dtype=buffer.dtype)  # type: ignore[call-arg]
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                yield id(value), value.detach().clone()


def open_arguments(node: Mapping[str, Any], key: str, known: Mapping[str, int]) -> dict[str, int]:
    """Returns those of `known` that the signature of a node's target names and the node leaves open.

    Raises:
        ConfigError: There is no such target.
    """
    function = locate(node.get("_target_"), key)
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    return {name: value for name, value in known.items() if name in names and name not in node}


def class_weights(
    setting: str | Sequence[float] | None, labels: npt.NDArray[np.int64], num_classes: int
) -> Tensor | None:
    """Returns the weights that a loss gets.

    Args:
        setting: `data.class_weights`: None, `balanced`, or a number for each class.
        labels: (N,) the training images' classes.
        num_classes: K.

    Returns:
        (K,) float32, or None. Balanced ones are N / (K n) for a class with n images (King and Zeng, 2001): in all, each
        class weighs the same. One without images has 1.
    """
    if setting is None:
        return None
    if setting == "balanced":
        counts = np.bincount(labels, minlength=num_classes)
        weights = np.where(counts > 0, len(labels) / (num_classes * np.maximum(counts, 1)), 1.0)
        return torch.from_numpy(weights).float()
    return torch.tensor(setting, dtype=torch.float32)
