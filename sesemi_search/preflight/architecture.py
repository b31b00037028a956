"""What a classifier costs and whether it works, each architecture once.

Shapes and costs come from torch's `meta` device, where tensors have no content and take no memory. A module that cannot
be built there (one that reads a value in its constructor, say) is built on the CPU instead, and a line says so. What
only values show, NaN above all, is looked for on the CPU, where that is cheap.
"""

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from sesemi_search.config.experiment import Complete
from sesemi_search.errors import ConfigError, Kind, describe_exception, user_code
from sesemi_search.models.classifier import BACKBONE_KEY, MODEL_KEY
from sesemi_search.preflight.probe import Cost, Probe, undisturbed
from sesemi_search.training.build import EMA_KEY, LOSS_KEY, class_weights

__all__ = ["MAX_VALUE_FLOPS", "MAX_VALUE_PARAMS", "Architecture", "Architectures", "architecture_key"]

_MAX_NAMED = 3
_BATCH = 2  # batch norm in training needs more than one image

# The largest model that is also run with values, on the CPU: parameters, and operations of one image's forward pass.
MAX_VALUE_PARAMS = 5_000_000
MAX_VALUE_FLOPS = 1_000_000_000
_MAX_VALUE_BYTES = 64_000_000  # saved for the backward pass of one image


@dataclass(frozen=True)
class Architecture(Cost):
    """What a classifier costs, and how that was found.

    Attributes:
        device: Where it was measured, `meta` or `cpu`.
        loads_weights: Whether it begins with pretrained weights, which it was measured without.
        batch_size: Images of the batch that it was measured with.
    """

    device: str
    loads_weights: bool
    batch_size: int = _BATCH

    @property
    def is_cheap(self) -> bool:
        """Whether the batch that it was measured with takes no time worth counting on the CPU."""
        return self.is_cheap_with(self.batch_size)

    def is_cheap_with(self, batch_size: int) -> bool:
        """Whether a batch of a size takes no time worth counting on the CPU."""
        share = batch_size / _BATCH
        small = self.num_params <= MAX_VALUE_PARAMS and self.flops * share <= MAX_VALUE_FLOPS
        return small and self.image_bytes * share <= _MAX_VALUE_BYTES


@dataclass
class Architectures:
    """Measures classifiers, each once: the same config again is answered from memory.

    So is a backbone that could not be built, under whatever head: it may have waited minutes for a network.

    Attributes:
        notes: Remarks for the user.
    """

    notes: list[str] = field(default_factory=list)
    _known: dict[str, Architecture] = field(default_factory=dict)
    _tried: set[str] = field(default_factory=set)
    _trained: set[str] = field(default_factory=set)
    _unbuilt: dict[str, ConfigError] = field(default_factory=dict)
    _on_cpu: dict[str, None] = field(default_factory=dict)

    def note(self, *remarks: str) -> None:
        """Keeps remarks for the user, each once."""
        self.notes += [remark for remark in remarks if remark not in self.notes]

    def measure(self, config: Complete) -> Architecture:
        """Builds the classifier of an experiment and gives it a batch.

        Raises:
            ConfigError: It cannot be built, does not conform, fails on the batch, or trains nothing.
        """
        key = architecture_key(config)
        if key not in self._known:
            with undisturbed(), _explained(config):
                self._known[key] = self._build(config)
        return self._known[key]

    @property
    def measured(self) -> list[Architecture]:
        """Every classifier measured so far."""
        return list(self._known.values())

    def known(self, config: Complete) -> Architecture | None:
        """Returns what was measured before, or None."""
        return self._known.get(architecture_key(config))

    def check(self, config: Complete, max_norm: float | None = None, is_scaled: bool = False) -> Architecture:
        """Measures a classifier, and gives it batches with values, to train and to evaluate, where that is cheap.

        Args:
            config: The experiment.
            max_norm: What the gradients are clipped to; None does not clip.
            is_scaled: Whether the loss is scaled, as it is where the forward pass is in float16.

        Raises:
            ConfigError: As `measure`; or something is NaN or infinite, or fails for its value.
        """
        architecture = self.measure(config)
        key = json.dumps([architecture_key(config), max_norm is None, is_scaled])
        if architecture.is_cheap and key not in self._tried:
            with undisturbed(), _explained(config):
                _probe(config, "cpu").run_values(_image_shape(config), architecture.batch_size, max_norm, is_scaled)
            self._tried.add(key)
        return architecture

    def check_training(self, config: Complete, train_batch: int, last_batch: int) -> None:
        """Builds what a run trains, with its class weights and its average of weights, and gives it a run's batches.

        On the meta device as far as a model works there, where a batch of any size takes no time.

        Args:
            config: The experiment.
            train_batch: Images of a batch that is trained with.
            last_batch: Images of the smallest batch that is evaluated.

        Raises:
            ConfigError: It cannot be built, or fails on a batch.
        """
        architecture, shape = self.measure(config), _image_shape(config)
        model, weights = config["learner"]["hparams"]["model"], config["data"]["class_weights"]
        inputs = [architecture_key(config), weights, model["ema"], train_batch, last_batch]
        key = json.dumps(inputs, sort_keys=True)
        if key in self._trained:
            return
        build = functools.cache(functools.partial(_training_probe, config))
        with undisturbed(), _explained(config):
            with _named_batch("training", train_batch):
                _take(build, architecture, train_batch, lambda probe: probe.train_step(shape, train_batch))
            with _named_batch("validation", last_batch):
                _take(build, architecture, last_batch, lambda probe: probe.evaluate(shape, last_batch))
        self._trained.add(key)

    def _build(self, config: Complete) -> Architecture:
        model = config["learner"]["hparams"]["model"]
        backbone = json.dumps(model["backbone"], sort_keys=True)
        if (known := self._unbuilt.get(backbone)) is not None:
            raise ConfigError.of(*known.problems)
        try:
            with user_code():
                return _measure(config, "meta")
        except Exception:
            # Whatever went wrong on the meta device, what the CPU says is true.
            try:
                built = _measure(config, "cpu")
            except ConfigError as error:
                if all(p.kind is Kind.construction and p.key.startswith(BACKBONE_KEY) for p in error.problems):
                    self._unbuilt[backbone] = error
                raise
            self._on_cpu[f"{model['backbone']['_target_']} with {model['head']['_target_']}"] = None
            return built

    def describe_fallback(self) -> list[str]:
        """Says in a line which models do not work on the meta device; no line where all do."""
        names = list(self._on_cpu)
        more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
        return [f"built on the CPU, not on the meta device: {', '.join(names[:_MAX_NAMED])}{more}"] if names else []


def architecture_key(config: Complete) -> str:
    """Returns what tells one architecture from another: the model, its classes and its images, as JSON."""
    hparams = config["learner"]["hparams"]
    model = hparams["model"]
    parts = [model["backbone"], model["head"], model["loss"], hparams["num_classes"], _image_shape(config)]
    return json.dumps(parts, sort_keys=True)


def _measure(config: Complete, device: str) -> Architecture:
    probe, shape, batch_size = _probe(config, device), _image_shape(config), _BATCH
    try:
        cost = probe.measure(shape, batch_size)
    except ConfigError as error:
        if error.problems[0].key != LOSS_KEY:
            raise
        # A loss over the hardest images of a batch takes so many of them.
        batch_size = config["run"]["batch_size_per_gpu"]
        try:
            cost = probe.measure(shape, batch_size)
        except ConfigError:
            raise error from None
    return Architecture(**vars(cost), device=device, loads_weights=probe.loads_weights, batch_size=batch_size)


def _take(
    build: Callable[[str], Probe], architecture: Architecture, batch_size: int, step: Callable[[Probe], None]
) -> None:
    """Takes a step of a probe, which is built for a device, where that costs nothing.

    Raises:
        ConfigError: It fails: on the CPU, or on the meta device where the CPU would take too long.
    """
    failed: ConfigError | None = None
    if architecture.device == "meta":
        try:
            step(build("meta"))
            return
        except ConfigError as error:
            failed = error
    if architecture.is_cheap_with(batch_size):
        step(build("cpu"))
    elif failed is not None:
        raise failed


@contextmanager
def _named_batch(phase: str, batch_size: int) -> Iterator[None]:
    """Says with a problem which batch it was found on."""
    try:
        yield
    except ConfigError as error:
        images = f"{batch_size} image{'s' * (batch_size != 1)}"
        why = f"found on a batch of {images}, as {phase} has with this run.batch_size_per_gpu"
        problems = [
            p
            if p.key == EMA_KEY or p.kind is Kind.construction
            else replace(p, text=f"{p.text} ({why})", reason=p.reason or p.text)
            for p in error.problems
        ]
        raise ConfigError.of(*problems) from error


@contextmanager
def _explained(config: Complete) -> Iterator[None]:
    """Makes a mistake of what a method raises that torch calls on its own, such as `train` or `parameters`."""
    try:
        with user_code():
            yield
    except ConfigError:
        raise
    except Exception as error:
        model = config["learner"]["hparams"]["model"]
        names = " with ".join(model[part]["_target_"] for part in ("backbone", "head"))
        raise ConfigError(MODEL_KEY, f"{names} raised {describe_exception(error)}") from error


def _probe(config: Complete, device: str) -> Probe:
    hparams = config["learner"]["hparams"]
    model = hparams["model"]
    return Probe(model["backbone"], model["head"], model["loss"], hparams["num_classes"], torch.device(device))


def _training_probe(config: Complete, device: str) -> Probe:
    """Builds a classifier and its loss as training does, balanced class weights being those of equal classes."""
    hparams = config["learner"]["hparams"]
    model, num_classes = hparams["model"], hparams["num_classes"]
    weights = class_weights(config["data"]["class_weights"], np.arange(num_classes), num_classes)
    if weights is not None:
        weights = weights.to(device)
    parts = (model["backbone"], model["head"], model["loss"], num_classes, torch.device(device))
    return Probe(*parts, weights, model["ema"]["decay"])


def _image_shape(config: Complete) -> tuple[int, int, int]:
    data = config["data"]
    return data["channels"], data["image_size"], data["image_size"]
