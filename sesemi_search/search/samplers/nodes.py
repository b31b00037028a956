"""What the `_target_` node of a sampler names, before it is built."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna.samplers import BaseSampler, CmaEsSampler

from sesemi_search.config.targets import locate
from sesemi_search.errors import ConfigError

__all__ = ["is_sampler", "refuse_pickles"]


def is_sampler(node: object, *classes: type[BaseSampler]) -> bool:
    """Whether a node's `_target_` is one of some classes, or made of one; False where it cannot be found."""
    try:
        target: Any = locate(node["_target_"] if isinstance(node, Mapping) else None, "search.sampler")
    except (ConfigError, KeyError):
        return False
    return inspect.isclass(target) and issubclass(target, classes)


def refuse_pickles(node: Mapping[str, Any]) -> None:
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
