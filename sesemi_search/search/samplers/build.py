"""Builds the sampler and the pruner of a search from their `_target_` nodes."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna

from sesemi_search.config.targets import accepted_arguments, instantiate, locate
from sesemi_search.search.samplers.nodes import refuse_pickles
from sesemi_search.space.domains import Options
from sesemi_search.space.space import Space

__all__ = ["build_pruner", "build_sampler", "experimental_is_fine"]

_MODEL = "learner.hparams.model."


def build_sampler(node: Mapping[str, Any], seed: int, number: int) -> optuna.samplers.BaseSampler:
    """Returns the sampler that asks for trial `number`.

    It is built anew for each ask, with a seed of its own: what is asked then depends on the seed, the number and the
    trials so far, and not on how often the search was interrupted.
    """
    refuse_pickles(node)
    seeds = {"seed": _hash(f"{seed}/{number}"), "search_seed": _hash(f"{seed}")}
    accepted = accepted_arguments(locate(node.get("_target_"), "search.sampler")) or ()
    supplied = {name: value for name, value in seeds.items() if name in accepted}
    with experimental_is_fine():
        sampler: optuna.samplers.BaseSampler = instantiate(node, "search.sampler", **supplied)
    return sampler


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


def build_pruner(node: Mapping[str, Any], space: Space | None = None) -> optuna.pruners.BasePruner:
    """Returns the pruner; it reads the study and keeps nothing.

    One that judges by family and is given none has those of the space, where there is one.
    """
    accepted = accepted_arguments(locate(node.get("_target_"), "search.pruner")) or ()
    supplied: dict[str, Any] = {}
    if space is not None and "families" in accepted and node.get("families") is None:
        supplied["families"] = _families(space)
    pruner: optuna.pruners.BasePruner = instantiate({**node, **supplied}, "search.pruner")
    return pruner


def _families(space: Space) -> list[str]:
    """Returns the choices that make an architecture: between backbones, or else between heads and other parts."""
    parts = [d.name for d in space.dimensions if isinstance(d.domain, Options) and not d.condition]
    parts = [name for name in parts if name.startswith(_MODEL)]
    return [name for name in parts if name == f"{_MODEL}backbone"] or parts


@contextmanager
def experimental_is_fine() -> Iterator[None]:
    """`group=True` is experimental in Optuna, and the default here by decision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
