"""Builds the sampler of a search from its `_target_` node."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import optuna

from sesemi_search.config.targets import accepted_arguments, instantiate, locate
from sesemi_search.search.samplers.nodes import refuse_pickles

__all__ = ["build_sampler", "experimental_is_fine"]


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


@contextmanager
def experimental_is_fine() -> Iterator[None]:
    """`group=True` is experimental in Optuna, and what `search/sampler=tpe` asks for by decision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
