"""What makes the trials of a search comparable, kept in its ledger: a search that goes on must still be that search."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sesemi_search.config.experiment import Complete, Written
from sesemi_search.config.keys import Effect, known_keys, without_keys
from sesemi_search.config.schema import EXPERIMENT_KEYS, OPEN_NODES, ExperimentConfig

__all__ = ["define_search", "digest_experiment", "find_changes", "objective_settings", "select_keys"]


def define_search(experiment: Written, space: Mapping[str, Any], metric: Any, mode: Any) -> dict[str, Any]:
    """Returns what the trials of a search have in common, as plain JSON.

    Args:
        experiment: The experiment as it is written.
        space: The space, as written.
        metric: `search.metric`.
        mode: `search.mode`.
    """
    common = select_keys(experiment, Effect.result, Effect.machine)
    if settings := objective_settings(experiment, metric):
        common["learner"]["metrics"] = settings
    definition = {**common, "space": space, "search": {"metric": metric, "mode": mode}}
    plain: dict[str, Any] = json.loads(json.dumps(definition))
    return plain


def objective_settings(experiment: Written, metric: Any) -> dict[str, Any]:
    """Returns what `learner.metrics` says of the objectives: a custom one is another metric under another class.

    Args:
        experiment: The experiment as it is written.
        metric: `search.metric`.
    """
    names = metric if isinstance(metric, list) else [metric]
    # A search of an earlier version has none, and the candidates of a final run have their own.
    metrics = experiment.get("learner", {}).get("metrics", {})
    return {name: setting for name, setting in metrics.items() if f"val/{name}" in names}


def digest_experiment(experiment: Complete) -> str:
    """Returns a hash of all that decides what a trial trains: its config, without the places of files."""
    text = json.dumps(_rounded(select_keys(experiment, Effect.result, Effect.machine)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _rounded(value: Any) -> Any:
    """Makes one number of 0.3 and 0.30000000000000004, which are one step of a domain."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, Mapping):
        return {key: _rounded(child) for key, child in value.items()}
    return [_rounded(child) for child in value] if isinstance(value, list) else value


def select_keys(experiment: Mapping[str, Any], *effects: Effect) -> dict[str, Any]:
    """Returns an experiment's config without the keys that have another effect on a trial's result."""
    known = known_keys(ExperimentConfig)
    return without_keys(experiment, lambda name: name in known and known[name].effect not in effects)


def find_changes(before: Any, after: Any, key: str = "") -> Iterator[str]:
    """Yields `KEY: was X, is Y` for everything in which two definitions differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            child = f"{key}.{name}" if key else str(name)
            if name not in after:
                yield f"{child}: was {before[name]!r}, is gone"
            elif name not in before:
                if not _is_schema_key(child):
                    yield f"{child}: is new, {after[name]!r}"
            else:
                yield from find_changes(before[name], after[name], child)
    elif before != after:
        yield f"{key}: was {before!r}, is {after!r}"


def _is_schema_key(key: str) -> bool:
    """Whether a key is of the experiment's schema: a later version of the program may bring it, with its default."""
    in_open_node = any(key.startswith(node + ".") for node in OPEN_NODES)
    return key.split(".")[0] in EXPERIMENT_KEYS and not in_open_node
