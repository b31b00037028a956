"""What the `_target_` node of a sampler names, and the sampler that is built of it."""

import hashlib
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import optuna
from optuna.samplers import BaseSampler, CmaEsSampler
from threadpoolctl import threadpool_limits

from sesemi_search.config.targets import accepted_arguments, instantiate, locate
from sesemi_search.errors import ConfigError

__all__ = ["build_sampler", "experimental_is_fine", "is_sampler", "one_blas_thread"]


def build_sampler(node: Mapping[str, Any], seed: int, number: int) -> BaseSampler:
    """Returns the sampler that asks for trial `number`.

    It is built anew for each ask, with a seed of its own: what is asked then depends on the seed, the number and the
    trials so far, and not on how often the search was interrupted.
    """
    _refuse_pickles(node)
    seeds = {"seed": _hash(f"{seed}/{number}"), "search_seed": _hash(f"{seed}")}
    accepted = accepted_arguments(locate(node.get("_target_"), "search.sampler")) or ()
    supplied = {name: value for name, value in seeds.items() if name in accepted}
    with experimental_is_fine():
        sampler: BaseSampler = instantiate(node, "search.sampler", **supplied)
    return sampler


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


@contextmanager
def experimental_is_fine() -> Iterator[None]:
    """`group=True` is experimental in Optuna, and what `search/sampler=tpe` asks for by decision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def one_blas_thread() -> AbstractContextManager[Any]:
    """Lets numpy and scipy compute on one thread: a sampler's matrices are small, and the other cores train trials.

    Beside two busy cores, two threads fit a Gaussian process to 60 trials at a third of the speed of one.
    """
    limits: AbstractContextManager[Any] = threadpool_limits(limits=1, user_api="blas")
    return limits


def is_sampler(node: object, *classes: type[BaseSampler]) -> bool:
    """Whether a node's `_target_` is one of some classes, or made of one; False where it cannot be found."""
    try:
        target: Any = locate(node["_target_"] if isinstance(node, Mapping) else None, "search.sampler")
    except (ConfigError, KeyError):
        return False
    return inspect.isclass(target) and issubclass(target, classes)


def _refuse_pickles(node: Mapping[str, Any]) -> None:
    """Refuses Optuna's CMA-ES, anywhere in a sampler's node.

    Raises:
        ConfigError: It is there.
    """
    for each in _nodes(node):
        if is_sampler(each, CmaEsSampler):
            raise ConfigError(
                "search.sampler",
                f"got {each['_target_']!r}, which keeps its state in the ledger as a pickle, and that "
                "runs when a search goes on. Take search/sampler=cmaes: the same algorithm without one.",
            )


def _nodes(value: object) -> Iterator[Mapping[str, Any]]:
    """Yields every mapping inside a value."""
    if isinstance(value, Mapping):
        yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for child in value:
            yield from _nodes(child)
