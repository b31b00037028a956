"""The check before any trial: every branch of a space is composed, built and given one batch, without a byte of memory.

It composes and gathers what is wrong; `sesemi_search.check.architecture` builds the models.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sesemi_search.check.architecture import Architectures
from sesemi_search.check.paths import check_paths
from sesemi_search.config.errors import ConfigError, raise_problems
from sesemi_search.config.experiment import plain, resolve_experiment, to_typed
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.config.targets import check_target
from sesemi_search.config.validate import check_values
from sesemi_search.data.sources import TEST_SOURCE_KEY, check_source
from sesemi_search.data.transforms import check_transforms
from sesemi_search.models.classifier import BACKBONE_KEY, HEAD_KEY
from sesemi_search.space.corners import corners, count_branches
from sesemi_search.space.space import Space
from sesemi_search.training.build import build_lr_scheduler, build_optimizer

__all__ = ["Checked", "check_experiment", "check_space"]

_MAX_BRANCHES = 256


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
    raise_problems(list(check_paths(space.root, "")))
    visited = corners(space, _MAX_BRANCHES)
    seen: dict[str, list[str]] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    for params in visited:
        for problem in _check_corner(space, experiment, params, architectures, seen):
            found.setdefault(problem, []).append(params)
    raise_problems([problem + _where(space, found[problem], len(visited)) for problem in found])
    return Checked(len(visited) // 2, count_branches(space), architectures.notes)


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
        (["source", data["source"], data["test_source"]], lambda: _check_sources(data)),
        (
            ["transforms", data["train_transforms"], data["image_size"], data["channels"]],
            lambda: _check_transforms(data),
        ),
        (["model", hparams["model"], hparams["num_classes"], data], lambda: _check_model(config, architectures)),
        (["optimization", *schedule], lambda: _check_optimization(config)),
    ]
    for inputs, check in parts:
        key = json.dumps(inputs, sort_keys=True)
        if key not in seen:
            seen[key] = check()
        yield from seen[key]


def _check_sources(data: Mapping[str, Any]) -> list[str]:
    test = data["test_source"]
    return check_source(data["source"]) + ([] if test is None else check_source(test, TEST_SOURCE_KEY))


def _check_transforms(data: Mapping[str, Any]) -> list[str]:
    return check_transforms(data["train_transforms"], data["image_size"], data["channels"])


def _check_model(config: Mapping[str, Any], architectures: Architectures) -> list[str]:
    model = config["learner"]["hparams"]["model"]
    problems = check_target(model["backbone"], BACKBONE_KEY)
    problems += check_target(model["head"], HEAD_KEY, ("in_features", "out_features"))
    weights = () if config["data"]["class_weights"] is None else ("weight",)
    problems += check_target(model["loss"], "learner.hparams.model.loss", weights)
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


def _where(space: Space, corners_: list[dict[str, Any]], visited: int) -> str:
    """Says in which branch a problem was found, unless it is in all of them."""
    if len(corners_) == visited:
        return ""
    shown = ", ".join(f"{name}={value}" for name, value in space.shorten(corners_[0]).items())
    return f" (found at {shown})"
