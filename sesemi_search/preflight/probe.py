"""A classifier and its loss, built on a device and given a batch: what it costs, and what is wrong with it.

Everything that a user's module can get wrong in a forward or backward pass becomes a `ConfigError` here that names the
class, the place and the reason. Which device, and which architectures, is the caller's business.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sesemi_search.errors import ConfigError, describe_exception, user_code
from sesemi_search.models.classifier import BACKBONE_KEY, HEAD_KEY, MODEL_KEY, build_classifier
from sesemi_search.models.weights import without_weights
from sesemi_search.preflight.forward_trace import SavedTensors, Watch, shape_of
from sesemi_search.training.build import EMA_KEY, LOSS_KEY, build_average, build_loss, settle_lazy
from sesemi_search.training.gradients import compute_gradients
from sesemi_search.training.without_compiler import spare_compiler

__all__ = ["Cost", "Probe", "undisturbed"]


@dataclass(frozen=True)
class Cost:
    """What a classifier costs.

    Attributes:
        num_params: Parameters, frozen ones included.
        flops: Floating-point operations of one forward pass of one image; a multiplication and an addition are two.
        output: Shape of the logits of one image.
        param_bytes: Memory of the parameters and buffers.
        fixed_bytes: Memory saved for the backward pass that does not grow with the batch.
        image_bytes: Memory saved for the backward pass by each image of a batch, itself included.
    """

    num_params: int
    flops: int
    output: tuple[int, ...]
    param_bytes: int
    fixed_bytes: int
    image_bytes: int

    def batch_bytes(self, batch_size: int) -> int:
        """Returns the memory that a training batch saves for its backward pass, parameters left out."""
        return self.fixed_bytes + self.image_bytes * batch_size


@contextmanager
def undisturbed() -> Iterator[None]:
    """Lets what is built and run inside draw random numbers, always the same ones, that nobody outside misses."""
    python, numpy, threads = random.getstate(), np.random.get_state(), torch.get_num_threads()
    # More threads than one are of no use to two images, and wait for each other on a busy machine.
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            torch.set_num_threads(threads)


class Probe:
    """A classifier and its loss on a device.

    Args:
        backbone: Node of `learner.hparams.model.backbone`.
        head: Node of `learner.hparams.model.head`.
        loss: Node of `learner.hparams.model.loss`.
        num_classes: K, the number of classes.
        device: `meta`, where nothing has a value, or `cpu`.
        weights: (K,) weights of the classes; None where the loss gets none.
        decay: Of the moving average of the weights; None where there is none.

    Attributes:
        loads_weights: Whether the classifier would begin with weights from elsewhere, which it has not here.

    Raises:
        ConfigError: Something cannot be built or does not conform.
    """

    def __init__(
        self,
        backbone: Mapping[str, Any],
        head: Mapping[str, Any],
        loss: Mapping[str, Any],
        num_classes: int,
        device: torch.device,
        weights: Tensor | None = None,
        decay: float | None = None,
    ) -> None:
        self._device = device
        self._num_classes = num_classes
        spare_compiler()
        with device, without_weights() as loading:
            self._classifier = build_classifier(backbone, head, num_classes)
            self._loss = build_loss(loss, weights)
        self.loads_weights = loading.was_asked
        # As training does: before the first batch, and before the model has the hooks of this probe.
        self._average = None if decay is None else build_average(self._classifier, decay)
        self._backbone = type(self._classifier.backbone).__name__
        self._head = type(self._classifier.head).__name__
        self._features: Any = None
        self._watch = Watch(self._classifier)
        self._classifier.backbone.register_forward_hook(lambda _module, _images, features: self._receive(features))

    def measure(self, image_shape: tuple[int, int, int], batch_size: int) -> Cost:
        """Returns what the classifier costs, from a batch and one of twice its size.

        Args:
            image_shape: (C, H, W).
            batch_size: B.

        Raises:
            ConfigError: It fails on a batch, gives what it should not, or has nothing to train.
        """
        with FlopCounterMode(display=False) as counter:
            logits, small = self._saved(image_shape, batch_size)
        _, large = self._saved(image_shape, 2 * batch_size)
        params = list(self._classifier.parameters())  # only now: lazy ones get their shape from the first batch
        if not any(parameter.requires_grad for parameter in params):
            why = f"every parameter of {self._backbone} and {self._head} is frozen" if params else "there is none"
            raise ConfigError(MODEL_KEY, f"{self._backbone} with {self._head} has no parameter to train; {why}.")
        state = [*params, *self._classifier.buffers()]
        per_image = max(0, large - small) // batch_size
        return Cost(
            num_params=sum(parameter.numel() for parameter in params),
            flops=counter.get_total_flops() // batch_size,
            output=tuple(logits.shape[1:]),
            param_bytes=sum(tensor.numel() * tensor.element_size() for tensor in state),
            fixed_bytes=max(0, small - per_image * batch_size),
            image_bytes=per_image,
        )

    def run_values(
        self,
        image_shape: tuple[int, int, int],
        batch_size: int,
        max_norm: float | None = None,
        is_scaled: bool = False,
    ) -> None:
        """Gives the classifier a batch with values, forward and backward, and one to evaluate.

        Args:
            image_shape: (C, H, W).
            batch_size: B.
            max_norm: What the gradients are clipped to; None does not clip.
            is_scaled: Whether the loss is scaled, as it is where the forward pass is in float16.

        Raises:
            ConfigError: It fails, or features, logits, loss or a gradient are NaN or infinite.
        """
        loss = self._forward(image_shape, batch_size)[1]
        names = f"{self._backbone} with {self._head}"
        if not loss.requires_grad:
            raise ConfigError(
                MODEL_KEY,
                f"the loss of {names} depends on no parameter that trains; look for .detach() and torch.no_grad().",
            )
        params = [parameter for parameter in self._classifier.parameters() if parameter.requires_grad]
        # Stands in for the experiment's, whose step is tried without a model, and leaves the weights as they are.
        optimizer = torch.optim.SGD(params, lr=0.0)
        scaler = torch.amp.GradScaler(self._device.type, enabled=is_scaled)
        try:
            with user_code():
                compute_gradients(loss, self._classifier, optimizer, scaler, max_norm)
                scaler.step(optimizer)
        except Exception as error:
            settings = [] if max_norm is None else [f"run.gradient_clip_norm={max_norm:g}"]
            settings += ["run.precision=fp16"] if is_scaled else []
            under = f" with {' and '.join(settings)}" if settings else ""
            text = f"{names} fails in the backward pass{under}: {describe_exception(error)}"
            raise ConfigError(MODEL_KEY, text) from error
        for name, parameter in self._classifier.named_parameters():
            if parameter.grad is not None and not parameter.grad.isfinite().all():
                raise ConfigError(MODEL_KEY, f"{names} gives a gradient of {name} that is NaN or infinite.")
        self.evaluate(image_shape, batch_size)

    def train_step(self, image_shape: tuple[int, int, int], batch_size: int) -> None:
        """Gives the classifier a batch to train with, and takes it into the average of weights, which gets one too.

        Raises:
            ConfigError: It fails, or there is no average of its weights.
        """
        self._forward(image_shape, batch_size)
        if self._average is None:
            return
        try:
            with user_code(), torch.no_grad(), self._device:
                settle_lazy(self._average, self._classifier)
                self._average.update_parameters(self._classifier)
                self._average.module.eval()(torch.randn((batch_size, *image_shape)))
        except Exception as error:
            text = f"the average of the weights of {self._backbone} with {self._head} fails: "
            raise ConfigError(EMA_KEY, f"{text}{describe_exception(error)}. It takes null with this model.") from error

    def evaluate(self, image_shape: tuple[int, int, int], batch_size: int) -> None:
        """Gives the classifier a batch to evaluate.

        Raises:
            ConfigError: It fails.
        """
        self._classifier.eval()
        with torch.no_grad():
            self._forward(image_shape, batch_size)

    def _saved(self, image_shape: tuple[int, int, int], batch_size: int) -> tuple[Tensor, int]:
        """Returns the logits of a batch and the bytes that it saved for the backward pass."""
        with SavedTensors() as saved:
            logits, _ = self._forward(image_shape, batch_size)
        return logits, saved.num_bytes(self._classifier)

    def _forward(self, image_shape: tuple[int, int, int], batch_size: int) -> tuple[Tensor, Tensor]:
        """Returns the logits and the loss of a batch, both as they should be."""
        with self._device:
            images = torch.randn((batch_size, *image_shape))
            labels = torch.arange(batch_size) % self._num_classes
        self._features = None
        try:
            with user_code():
                logits = self._classifier(images, labels)
        except ConfigError:
            raise
        except Exception as error:
            raise self._explain(image_shape, error) from error
        self._check_logits(logits, batch_size)
        return logits, self._apply_loss(logits, labels)

    def _explain(self, image_shape: tuple[int, int, int], error: Exception) -> ConfigError:
        """Names the part that failed and the place in it."""
        when = "" if self._classifier.training else " in evaluation"
        reason = describe_exception(error)
        where = f"{self._watch.places} ({reason})"
        if self._features is None:
            images = "x".join(map(str, image_shape))
            # torch's words, of a convolution for color
            is_gray = image_shape[0] == 1 and "to have 3 channels, but got 1" in reason
            remedy = "; data.channels=3 repeats a gray channel" if is_gray else ""
            return ConfigError(BACKBONE_KEY, f"{self._backbone} fails on images of {images}{when}: {where}{remedy}")
        given = f"features of shape {shape_of(self._features)} from {self._backbone}"
        return ConfigError(HEAD_KEY, f"{self._head} fails on {given}{when}: {where}")

    def _receive(self, features: Any) -> None:
        """Holds what the backbone gives against what it says."""
        self._features = features
        name, width = self._backbone, self._classifier.head.in_features
        says = f"{name} says out_features = {width} and gives"
        if not isinstance(features, Tensor):
            raise ConfigError(
                BACKBONE_KEY, f"{says} a {type(features).__name__}; it takes one tensor of features, (B, {width})."
            )
        # A head may take maps (B, D, H, W) or tokens (B, N, D), and pool them itself.
        if features.ndim < 2 or width not in features.shape[1:]:
            raise ConfigError(
                BACKBONE_KEY,
                f"{says} features of shape {tuple(features.shape)}; set out_features to the width that it gives.",
            )
        self._check_finite(features, BACKBONE_KEY, f"{name} gives features that are")

    def _check_logits(self, logits: Any, batch_size: int) -> None:
        expected = (batch_size, self._num_classes)
        if not isinstance(logits, Tensor) or logits.shape != expected:
            found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
            raise ConfigError(
                HEAD_KEY,
                f"{self._head} gives {found} for {batch_size} images and {self._num_classes} classes; "
                f"it takes logits of shape {expected}.",
            )
        self._check_finite(logits, HEAD_KEY, f"{self._head} gives logits that are")

    def _apply_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        name = type(self._loss).__name__
        try:
            with user_code():
                loss = self._loss(logits, labels)
        except Exception as error:
            raise ConfigError(LOSS_KEY, f"{name} failed on logits and labels: {describe_exception(error)}") from error
        if not isinstance(loss, Tensor) or loss.ndim != 0:
            found = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise ConfigError(LOSS_KEY, f"{name} gives {found}; it takes one number, the mean over the batch.")
        self._check_finite(loss, LOSS_KEY, f"{name} gives a loss that is")
        return loss

    def _check_finite(self, values: Tensor, key: str, what: str) -> None:
        """Finds NaN and infinite values, where there are values."""
        when = "" if self._classifier.training else " in evaluation"
        if not values.is_meta and not values.detach().isfinite().all():
            raise ConfigError(key, f"{what} NaN or infinite{when}, of an untrained model and normal images.")
