"""What makes the trials of a search comparable, kept in its ledger: a search that goes on must still be that search."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["define_search", "find_changes"]

# Where files lie does not change what a trial is.
_PLACES = ("data_root", "dir", "id")


def define_search(experiment: Mapping[str, Any], space: Mapping[str, Any], metric: str, mode: str) -> dict[str, Any]:
    """Returns what the trials of a search have in common, as plain JSON.

    Args:
        experiment: The experiment's config, plain and unresolved.
        space: The space, as written.
        metric: `search.metric`.
        mode: `search.mode`.
    """
    run = {key: value for key, value in experiment["run"].items() if key not in _PLACES}
    definition = {**experiment, "run": run, "space": space, "search": {"metric": metric, "mode": mode}}
    plain: dict[str, Any] = json.loads(json.dumps(definition))
    return plain


def find_changes(before: Any, after: Any, key: str = "") -> Iterator[str]:
    """Yields `KEY: was X, is Y` for everything in which two definitions differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            child = f"{key}.{name}" if key else str(name)
            if name not in after:
                yield f"{child}: was {before[name]!r}, is gone"
            elif name not in before:
                yield f"{child}: is new, {after[name]!r}"
            else:
                yield from find_changes(before[name], after[name], child)
    elif before != after:
        yield f"{key}: was {before!r}, is {after!r}"
