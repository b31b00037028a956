"""A search space: sampled by a trial, applied to an experiment, named for people.

A domain's name is its path in the config, with the name of each chosen option in it:
`learner.hparams.model.head.scaled.scale` exists only where the option `scaled` is chosen.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from sesemi_search.config.experiment import Sampled, Written
from sesemi_search.errors import ConfigError
from sesemi_search.space.domains import Choice, Constant, Domain, Entries, Float, Int, Listing, Node, Options, Tree

__all__ = ["Dimension", "Space", "Suggester", "children", "join"]


class Suggester(Protocol):
    """What a space asks for values: an Optuna trial, or anything with its three methods."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        """Returns a number in [low, high]."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """Returns a whole number in [low, high]."""

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        """Returns one of `choices`."""


@dataclass(frozen=True)
class Dimension:
    """One parameter of a space; `condition` holds the options that must be chosen for it to exist."""

    name: str
    domain: Domain
    condition: Mapping[str, str]

    @property
    def key(self) -> str:
        """The dotted key of the config that it sets: `head.scale` of `head.scaled.scale`; of options `head.choice`.

        It is the same in every space, whatever else is varied there and under whatever options.
        """
        key, num_choices = self.name, int(isinstance(self.domain, Options))
        for parent in sorted(self.condition, key=len, reverse=True):
            rest = key.removeprefix(join(parent, self.condition[parent]))
            if num_choices and not rest:  # an option that is itself a choice
                num_choices += 1
            key = f"{parent}{rest}".removeprefix(".")
        return join(key, *["choice"] * num_choices)


@dataclass(frozen=True)
class Space:
    """A tree of domains over the tree of an experiment."""

    root: Tree

    def sample(self, trial: Suggester) -> dict[str, Any]:
        """Asks `trial` for every parameter that exists in its branch; of named options the value is the name."""
        params: dict[str, Any] = {}
        _sample(self.root, "", trial, params)
        return params

    def apply(self, experiment: Written, params: Mapping[str, Any]) -> Sampled:
        """Returns the experiment with one sample put in.

        A scalar, a list, null and a mapping with `_target_` replace what is there; any other mapping merges into it,
        and one whose keys are whole numbers into the list that is there.

        Args:
            experiment: The experiment as it is written.
            params: What `sample` returned.

        Raises:
            ConfigError: A mapping lies over an interpolation, or entries over what is no list or too short.
        """
        return Sampled(_apply(self.root, "", copy.deepcopy(dict(experiment)), params))

    @cached_property
    def dimensions(self) -> list[Dimension]:
        """Every parameter that a sample may have, in the order of the tree."""
        return list(_dimensions(self.root, "", {}))

    @cached_property
    def short_names(self) -> dict[str, str]:
        """For each parameter's name, the shortest suffix of whole parts that no other name ends in."""
        names = [d.name.split(".") for d in self.dimensions]
        return {".".join(parts): _shortest_suffix(parts, names) for parts in names}

    @cached_property
    def keys(self) -> dict[str, str]:
        """For each parameter's name, the key of the config that it sets."""
        return {dimension.name: dimension.key for dimension in self.dimensions}

    def shorten(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Returns parameters by their short names."""
        return {self.short_names[name]: value for name, value in params.items()}


def join(*parts: str) -> str:
    """Joins the parts of a dotted name; empty ones do not count."""
    return ".".join(part for part in parts if part)


def _sample(node: Node, name: str, trial: Suggester, params: dict[str, Any]) -> None:
    match node:
        case Float():
            params[name] = trial.suggest_float(name, node.low, node.high, step=node.step, log=node.log)
        case Int():
            params[name] = trial.suggest_int(name, node.low, node.high, step=node.step, log=node.log)
        case Choice():
            params[name] = trial.suggest_categorical(name, node.values)
        case Options():
            params[name] = trial.suggest_categorical(name, tuple(node.nodes))
            _sample(node.nodes[params[name]], join(name, params[name]), trial, params)
        case _:
            for part, child in children(node):
                _sample(child, join(name, part), trial, params)


def _apply(node: Node, name: str, base: Any, params: Mapping[str, Any]) -> Any:
    match node:
        case Constant():
            return _merge(base, node.value)
        case Float() | Int() | Choice():
            return params[name]
        case Options():
            return _apply(node.nodes[params[name]], join(name, params[name]), base, params)
        case Listing():
            return [_apply(child, join(name, part), None, params) for part, child in children(node)]
        case Entries():
            _refuse_interpolation(name, base)
            return _apply_entries(node, name, base, params)
        case Tree():
            if "_target_" not in node.nodes:
                _refuse_interpolation(name, base)
            merged = {} if "_target_" in node.nodes or not isinstance(base, dict) else base
            for part, child in children(node):
                merged[part] = _apply(child, join(name, part), merged.get(part), params)
            return merged


def _apply_entries(node: Entries, name: str, base: Any, params: Mapping[str, Any]) -> list[Any]:
    """Lays entries over a list."""
    if not isinstance(base, list):
        raise ConfigError(
            f"space.{name}", "whole numbers as keys are places in a list, and there is none to lay it over."
        )
    if max(node.nodes) >= len(base):
        raise ConfigError(f"space.{name}.{max(node.nodes)}", f"the list there has {len(base)} entries, the first is 0.")
    for i, child in node.nodes.items():
        base[i] = _apply(child, join(name, str(i)), base[i], params)
    return base


def _refuse_interpolation(name: str, base: Any) -> None:
    if isinstance(base, str) and "${" in base:
        raise ConfigError(
            f"space.{name}",
            f"lays a mapping over the interpolation {base!r}, which would be lost; "
            "write the whole node into the space.",
        )


def _merge(base: Any, value: Any) -> Any:
    """Puts a constant over `base`."""
    if not isinstance(value, Mapping) or "_target_" in value or not isinstance(base, dict):
        return copy.deepcopy(value)
    return base | {key: _merge(base.get(key), child) for key, child in value.items()}


def children(node: Node) -> Iterator[tuple[str, Node]]:
    """Yields the parts of a mapping or list with their names; a domain and a constant have none."""
    match node:
        case Entries():
            yield from ((str(i), child) for i, child in node.nodes.items())
        case Tree():
            yield from node.nodes.items()
        case Listing():
            yield from ((str(i), child) for i, child in enumerate(node.nodes))


def _dimensions(node: Node, name: str, condition: Mapping[str, str]) -> Iterator[Dimension]:
    if isinstance(node, Domain):
        yield Dimension(name, node, condition)
    if isinstance(node, Options):
        for option, child in node.nodes.items():
            yield from _dimensions(child, join(name, option), {**condition, name: option})
    for part, child in children(node):
        yield from _dimensions(child, join(name, part), condition)


def _shortest_suffix(parts: list[str], names: list[list[str]]) -> str:
    # A place in a list says nothing by itself: `betas.0`, not `0`.
    lengths = (length for length in range(1, len(parts)) if not parts[-length].isdigit())
    for length in lengths:
        if sum(other[-length:] == parts[-length:] for other in names) == 1:
            return ".".join(parts[-length:])
    return ".".join(parts)
