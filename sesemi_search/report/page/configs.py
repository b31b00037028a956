"""The configs of all trials in little room: the experiment's own, and of each trial what it has instead."""

import base64
import gzip
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from sesemi_search.config.experiment import Written
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import mask_passwords
from sesemi_search.search.ledger.records import TrialRecord
from sesemi_search.space.space import Space, join

__all__ = ["pack_configs"]


def pack_configs(records: Iterable[TrialRecord], space: Space, experiment: Written) -> str:
    """Returns `{base, changes}` as JSON, gzipped, in base64.

    `base` is the experiment as it is written. `changes` has for each trial the nodes that it replaces, by their path,
    null for none; None for a trial that has no config, because a driver died while it asked for its parameters.
    """
    changes = [_changes(record, space, experiment) for record in records]
    content = _without_infinite({"base": experiment, "changes": changes})
    text = json.dumps(content, default=str, separators=(",", ":"), allow_nan=False)
    # Without a time: the same search gives the same page.
    return base64.b64encode(gzip.compress(mask_passwords(text).encode(), mtime=0)).decode()


def _without_infinite(value: Any) -> Any:
    """Returns plain containers with the words for NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _without_infinite(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinite(child) for child in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _changes(record: TrialRecord, space: Space, experiment: Written) -> dict[str, Any] | None:
    try:
        changed = space.apply(experiment, record.params)
    except (ConfigError, KeyError):
        return None
    return dict(_differences("", experiment, changed))


def _differences(path: str, before: Any, after: Any) -> Iterable[tuple[str, Any]]:
    """Yields what is different in `after`, the smallest nodes that have the whole of it."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping) or before.keys() - after.keys():
        if before != after or type(before) is not type(after):
            yield path, after
        return
    for key, value in after.items():
        if key in before:
            yield from _differences(join(path, str(key)), before[key], value)
        else:
            yield join(path, str(key)), value
