"""The check before any trial: every branch of a space is composed, built and given one batch, without a byte of memory.

Models are built on torch's `meta` device, where tensors have shapes and no content. A module that cannot be built there
(one that reads a value in its constructor, say) is built on the CPU instead, and the report says so.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sesemi_search.config.errors import ConfigError, raise_problems
from sesemi_search.config.experiment import plain, resolve_experiment, to_typed
from sesemi_search.config.explain import check_key, check_section
from sesemi_search.config.schema import OPEN_NODES, ExperimentConfig
from sesemi_search.config.targets import check_target
from sesemi_search.config.validate import check_values
from sesemi_search.data.sources import check_source
from sesemi_search.models.classifier import BACKBONE_KEY, HEAD_KEY, build_classifier
from sesemi_search.space.corners import corners, count_branches
from sesemi_search.space.domains import Constant, Listing, Node, Options, Tree
from sesemi_search.space.space import Space, children, join
from sesemi_search.training.build import build_loss, build_lr_scheduler, build_optimizer

__all__ = ["Architecture", "Architectures", "Checked", "check_experiment", "check_space"]

_MAX_BRANCHES = 256
_BATCH = 2  # batch norm in training needs more than one image
# What every trial of a search shares, because Ray gives each the same resources,
# or because the images are loaded once.
_SHARED = (
    *("run.gpus", "run.num_threads", "run.accelerator", "run.dir", "run.data_root", "run.id"),
    *("run.resume_from_checkpoint", "run.pretrained_checkpoint_path", "learner.hparams.num_classes"),
    *("data.source", "data.image_size", "data.val_size", "data.test_size", "data.split_seed"),
)


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

    def _build(self, model: Mapping[str, Any], num_classes: int, shape: tuple[int, ...]) -> Architecture:
        try:
            return _try_model(model, num_classes, shape, "meta")
        except Exception:
            # Whatever went wrong on the meta device, what the CPU says is true.
            built = _try_model(model, num_classes, shape, "cpu")
            names = f"{model['backbone']['_target_']} with {model['head']['_target_']}"
            self.notes.append(f"{names} cannot be built on the meta device; it was checked on the CPU")
            return built


@dataclass(frozen=True)
class Checked:
    """What was checked: branches visited, of how many, and remarks."""

    visited: int
    branches: int
    notes: list[str]


def check_experiment(config: Mapping[str, Any]) -> Checked:
    """Checks one resolved experiment config.

    Raises:
        ConfigError: With all that is wrong.
    """
    architectures = Architectures()
    raise_problems(list(_check_config(config, architectures, {})))
    return Checked(1, 1, architectures.notes)


def check_space(space: Space, experiment: Mapping[str, Any], architectures: Architectures) -> Checked:
    """Checks every branch of a space over an experiment, its numbers all low and all high.

    Args:
        space: The space.
        experiment: The experiment's config, plain and unresolved.
        architectures: Keeps what it measures.

    Raises:
        ConfigError: With all that is wrong, and in which branches.
    """
    raise_problems(list(_check_paths(space.root, "")))
    visited = corners(space, _MAX_BRANCHES)
    seen: dict[str, list[str]] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    for params in visited:
        for problem in _check_corner(space, experiment, params, architectures, seen):
            found.setdefault(problem, []).append(params)
    raise_problems([problem + _where(space, found[problem], len(visited)) for problem in found])
    return Checked(len(visited) // 2, count_branches(space), architectures.notes)


def _check_paths(node: Node, path: str) -> Iterator[str]:
    """Holds the paths of a space against the schema; below an open node the target's signature decides, later."""
    if path in _SHARED:
        yield f"space.{path}: is the same for every trial of a search; set {path} itself."
    elif path in OPEN_NODES:
        return
    elif path:
        yield from (f"space.{problem}" for problem in check_key(ExperimentConfig, path))
        if not isinstance(node, Tree | Options):
            value = node.value if isinstance(node, Constant) else f"a {type(node).__name__.lower()}"
            yield from (f"space.{problem}" for problem in check_section(ExperimentConfig, path, value))
    fragments = node.nodes.values() if isinstance(node, Options) else ()
    below = [(path, fragment) for fragment in fragments]
    if not isinstance(node, Listing):  # whose parts have numbers and no keys
        below += [(join(path, part), child) for part, child in children(node)]
    if isinstance(node, Constant) and isinstance(node.value, Mapping):
        below += [(join(path, str(part)), Constant(value)) for part, value in node.value.items()]
    for child_path, child in below:
        yield from _check_paths(child, child_path)


def _check_corner(
    space: Space,
    experiment: Mapping[str, Any],
    params: Mapping[str, Any],
    architectures: Architectures,
    seen: dict[str, list[str]],
) -> list[str]:
    try:
        resolved = resolve_experiment(space.apply(experiment, params))
        problems = list(check_values(resolved))
        return problems or list(_check_config(plain(resolved), architectures, seen))
    except ConfigError as error:
        return [str(error)]


def _check_config(config: Mapping[str, Any], architectures: Architectures, seen: dict[str, list[str]]) -> Iterator[str]:
    """Yields what is wrong with the parts of a config; a part that was seen before is not looked at again."""
    hparams, data = config["learner"]["hparams"], config["data"]
    schedule = [hparams["optimizer"], hparams["lr_scheduler"], config["run"]["num_epochs"]]
    parts: list[tuple[Any, Callable[[], list[str]]]] = [
        (["source", data["source"]], lambda: check_source(data["source"])),
        (["model", hparams["model"], hparams["num_classes"], data], lambda: _check_model(config, architectures)),
        (["optimization", *schedule], lambda: _check_optimization(config)),
    ]
    for inputs, check in parts:
        key = json.dumps(inputs, sort_keys=True)
        if key not in seen:
            seen[key] = check()
        yield from seen[key]


def _check_model(config: Mapping[str, Any], architectures: Architectures) -> list[str]:
    model = config["learner"]["hparams"]["model"]
    problems = check_target(model["backbone"], BACKBONE_KEY)
    problems += check_target(model["head"], HEAD_KEY, ("in_features", "out_features"))
    problems += check_target(model["loss"], "learner.hparams.model.loss")
    if problems:
        return problems
    try:
        architectures.measure(config)
    except ConfigError as error:
        return [str(error)]
    return []


def _check_optimization(config: Mapping[str, Any]) -> list[str]:
    """Builds the optimizer and the schedule around one parameter."""
    typed: ExperimentConfig = to_typed(resolve_experiment(config))
    hparams = typed.learner.hparams
    try:
        optimizer = build_optimizer(hparams.optimizer, [nn.Parameter(torch.empty(1, device="meta"))])
        schedule = hparams.lr_scheduler
        build_lr_scheduler(
            schedule.scheduler, optimizer, 1, typed.run.num_epochs, schedule.interval, schedule.frequency
        )
    except ConfigError as error:
        return [str(error)]
    return []


def _try_model(model: Mapping[str, Any], num_classes: int, shape: tuple[int, ...], device: str) -> Architecture:
    """Builds a classifier on a device, gives it a batch and holds what comes out against its interface."""
    with torch.device(device):
        classifier = build_classifier(model["backbone"], model["head"], num_classes)
        images = torch.rand(shape)
        labels = torch.zeros(shape[0], dtype=torch.int64)
    watch = _Watch(classifier)
    with FlopCounterMode(display=False) as counter:
        try:
            logits = classifier(images)
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


def _where(space: Space, corners_: list[dict[str, Any]], visited: int) -> str:
    """Says in which branch a problem was found, unless it is in all of them."""
    if len(corners_) == visited:
        return ""
    shown = ", ".join(f"{name}={value}" for name, value in space.shorten(corners_[0]).items())
    return f" (found at {shown})"
