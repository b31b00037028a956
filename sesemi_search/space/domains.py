"""The nodes of a search space: domains, constants, and the mappings and lists that hold them.

A space is a tree of these. They are immutable and know nothing of configs or of Optuna.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Choice", "Constant", "Domain", "Entries", "Float", "Int", "Listing", "Node", "Options", "Tree"]


@dataclass(frozen=True)
class Float:
    """A real number in [low, high], both included; uniform in the logarithm with `log`, on a grid with `step`."""

    low: float
    high: float
    log: bool = False
    step: float | None = None


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high], both included; uniform in the logarithm with `log`, every `step` otherwise."""

    low: int
    high: int
    log: bool = False
    step: int = 1


@dataclass(frozen=True)
class Choice:
    """One of several scalars (str, int, float, bool or None)."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Options:
    """One of several named fragments of config, each with domains of its own."""

    nodes: Mapping[str, "Node"]


@dataclass(frozen=True)
class Constant:
    """A value that is the same in every trial."""

    value: Any


@dataclass(frozen=True)
class Tree:
    """A mapping; with a key `_target_` it replaces what the experiment has there, otherwise it merges into it."""

    nodes: Mapping[str, "Node"]


@dataclass(frozen=True)
class Listing:
    """A list, which replaces what the experiment has there."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True)
class Entries:
    """Some entries of a list by their places, from 0; each is laid over what the experiment's list has there."""

    nodes: Mapping[int, "Node"]


Domain = Float | Int | Choice | Options
Node = Domain | Constant | Tree | Listing | Entries
