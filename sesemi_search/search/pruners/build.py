"""Builds the pruner of a search from its `_target_` node."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna

from sesemi_search.config.targets import accepted_arguments, instantiate, locate
from sesemi_search.errors import ConfigError, suggest
from sesemi_search.space.domains import Choice, Options
from sesemi_search.space.space import Space

__all__ = ["build_pruner"]

_MODEL = "learner.hparams.model."
_BACKBONE = f"{_MODEL}backbone"


def build_pruner(node: Mapping[str, Any], space: Space | None = None) -> optuna.pruners.BasePruner:
    """Returns the pruner; it reads the study and keeps nothing.

    One that judges by family and is given none has those of the space, where there is one.
    """
    accepted = accepted_arguments(locate(node.get("_target_"), "search.pruner")) or ()
    supplied: dict[str, Any] = {}
    if space is not None and "families" in accepted:
        named = node.get("families")
        supplied["families"] = _architecture_choices(space) if named is None else _resolve_names(named, space)
    pruner: optuna.pruners.BasePruner = instantiate({**node, **supplied}, "search.pruner")
    return pruner


def _architecture_choices(space: Space) -> list[str]:
    """Returns the choices that make an architecture: between backbones, or else between heads and other parts.

    A choice between backbones is one at the backbone, at a node that it lies in, or of its `name`.
    """
    options = [d.name for d in space.dimensions if isinstance(d.domain, Options) and not d.condition]
    names = [d.name for d in space.dimensions if isinstance(d.domain, Choice) and d.name == f"{_BACKBONE}.name"]
    backbones = [name for name in options if f"{_BACKBONE}.".startswith(f"{name}.")]
    return backbones + names or [name for name in options if name.startswith(_MODEL)]


def _resolve_names(names: object, space: Space) -> object:
    """Returns the full names of parameters that may be named by their short ones."""
    if isinstance(names, str) or not isinstance(names, Sequence):
        return names
    full = {short: name for name, short in space.short_names.items()}
    for name in names:
        if name not in full and name not in space.short_names:
            near = suggest(str(name), list(full))
            raise ConfigError("search.pruner.families", f"got {name!r}, which is no parameter of the space.{near}")
    return [full.get(name, name) for name in names]
