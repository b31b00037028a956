"""What a classifier costs and whether it works, each architecture once.

Shapes and costs come from torch's `meta` device, where tensors have no content and take no memory. A module that cannot
be built there (one that reads a value in its constructor, say) is built on the CPU instead, and a line says so. What
only values show, NaN above all, is looked for on the CPU, where that is cheap.
"""

import json
from dataclasses import dataclass, field

import torch

from sesemi_search.config.experiment import Complete
from sesemi_search.errors import ConfigError, Kind, user_code
from sesemi_search.models.classifier import BACKBONE_KEY
from sesemi_search.preflight.probe import Cost, Probe, undisturbed

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
    """

    device: str
    loads_weights: bool

    @property
    def is_cheap(self) -> bool:
        """Whether a batch on the CPU takes no time worth counting."""
        small = self.num_params <= MAX_VALUE_PARAMS and self.flops <= MAX_VALUE_FLOPS
        return small and self.image_bytes <= _MAX_VALUE_BYTES


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
            with undisturbed():
                self._known[key] = self._build(config)
        return self._known[key]

    @property
    def measured(self) -> list[Architecture]:
        """Every classifier measured so far."""
        return list(self._known.values())

    def known(self, config: Complete) -> Architecture | None:
        """Returns what was measured before, or None."""
        return self._known.get(architecture_key(config))

    def check(self, config: Complete) -> Architecture:
        """Measures a classifier, and gives it batches with values, to train and to evaluate, where that is cheap.

        Raises:
            ConfigError: As `measure`; or something is NaN or infinite, or fails for its value.
        """
        architecture, key = self.measure(config), architecture_key(config)
        if architecture.is_cheap and key not in self._tried:
            with undisturbed():
                _probe(config, "cpu").run_values(_image_shape(config), _BATCH)
            self._tried.add(key)
        return architecture

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
    probe = _probe(config, device)
    cost = probe.measure(_image_shape(config), _BATCH)
    return Architecture(**vars(cost), device=device, loads_weights=probe.loads_weights)


def _probe(config: Complete, device: str) -> Probe:
    hparams = config["learner"]["hparams"]
    model = hparams["model"]
    return Probe(model["backbone"], model["head"], model["loss"], hparams["num_classes"], torch.device(device))


def _image_shape(config: Complete) -> tuple[int, int, int]:
    data = config["data"]
    return data["channels"], data["image_size"], data["image_size"]
