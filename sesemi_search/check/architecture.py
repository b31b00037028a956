"""What a classifier costs and whether it works: built and given one batch, without a byte of memory where that can be.

Models are built on torch's `meta` device, where tensors have shapes and no content. A module that cannot be built there
(one that reads a value in its constructor, say) is built on the CPU instead, and the notes say so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sesemi_search.config.errors import ConfigError
from sesemi_search.models.classifier import HEAD_KEY, build_classifier
from sesemi_search.models.weights import without_weights
from sesemi_search.training.build import build_loss

__all__ = ["Architecture", "Architectures"]

_BATCH = 2  # batch norm in training needs more than one image


@dataclass(frozen=True)
class Architecture:
    """What a classifier costs: its parameters, and floating-point operations of one forward pass of one image."""

    num_params: int
    flops: int


@dataclass
class Architectures:
    """Measures classifiers, each once: the same config again is answered from memory."""

    notes: list[str] = field(default_factory=list)
    _known: dict[str, Architecture] = field(default_factory=dict)

    def measure(self, config: Mapping[str, Any]) -> Architecture:
        """Builds the classifier of a resolved experiment config and gives it a batch.

        Raises:
            ConfigError: It cannot be built, does not conform, fails on the batch or gives logits of the wrong shape.
        """
        hparams, data = config["learner"]["hparams"], config["data"]
        model = hparams["model"]
        shape = (_BATCH, data["channels"], data["image_size"], data["image_size"])
        key = json.dumps(
            [model["backbone"], model["head"], model["loss"], hparams["num_classes"], shape], sort_keys=True
        )
        if key not in self._known:
            self._known[key] = self._build(model, hparams["num_classes"], shape)
        return self._known[key]

    @property
    def measured(self) -> list[Architecture]:
        """Every classifier measured so far."""
        return list(self._known.values())

    def _build(self, model: Mapping[str, Any], num_classes: int, shape: tuple[int, ...]) -> Architecture:
        try:
            return _try_model(model, num_classes, shape, "meta")
        except Exception:
            # Whatever went wrong on the meta device, what the CPU says is true.
            built = _try_model(model, num_classes, shape, "cpu")
            names = f"{model['backbone']['_target_']} with {model['head']['_target_']}"
            self.notes.append(f"{names} cannot be built on the meta device; it was checked on the CPU")
            return built


def _try_model(model: Mapping[str, Any], num_classes: int, shape: tuple[int, ...], device: str) -> Architecture:
    """Builds a classifier on a device, gives it a batch and holds what comes out against its interface."""
    with torch.device(device), without_weights():
        classifier = build_classifier(model["backbone"], model["head"], num_classes)
        images = torch.rand(shape)
        labels = torch.zeros(shape[0], dtype=torch.int64)
    watch = _Watch(classifier)
    with FlopCounterMode(display=False) as counter:
        try:
            logits = classifier(images, labels)
        except Exception as error:
            names = f"{type(classifier.backbone).__name__} with {type(classifier.head).__name__}"
            raise ConfigError(f"learner.hparams.model: {names} {watch.explain(shape, error)}") from error
    expected = (shape[0], num_classes)
    if not isinstance(logits, Tensor) or logits.shape != expected:
        found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise ConfigError(
            f"{HEAD_KEY}: {type(classifier.head).__name__} gives {found} for {shape[0]} images and {num_classes} "
            f"classes; it takes logits of shape {expected}."
        )
    try:
        build_loss(model["loss"])(logits, labels)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"learner.hparams.model.loss: {model['loss']['_target_']} failed on logits and labels: {error}"
        ) from error
    num_params = sum(parameter.numel() for parameter in classifier.parameters())
    return Architecture(num_params, counter.get_total_flops() // shape[0])


class _Watch:
    """Remembers the last layers that a forward pass entered and left, to name the one that failed."""

    def __init__(self, classifier: nn.Module) -> None:
        self._entered = ""
        self._left = ""
        for name, module in classifier.named_modules():
            if not list(module.children()):
                module.register_forward_pre_hook(lambda module, args, name=name: self._enter(name, module, args))
                module.register_forward_hook(lambda module, _, output, name=name: self._leave(name, module, output))

    def _enter(self, name: str, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._entered = f"{name} = {module} got {_shapes(args)}"

    def _leave(self, name: str, module: nn.Module, output: Any) -> None:
        self._left = f"{name} = {type(module).__name__} gave {_shapes((output,))}"
        self._entered = ""

    def explain(self, shape: tuple[int, ...], error: Exception) -> str:
        """Says where a forward pass failed."""
        places = "; ".join(place for place in (self._left, self._entered) if place)
        reason = (str(error).splitlines() or [""])[0]
        return f"fails on images of {'x'.join(map(str, shape[1:]))}: {places} ({type(error).__name__}: {reason})"


def _shapes(values: tuple[Any, ...]) -> str:
    return ", ".join(str(tuple(v.shape)) if isinstance(v, Tensor) else type(v).__name__ for v in values)
