"""Interpolations of one key by another, `${run.num_epochs}`, as data: no resolver runs, nothing is built.

The config of a trial keeps them, so that an override of the one key acts on the other. What a resolver gave
(`${oc.env:NAME}`) it holds as a value: it means the same wherever it is read. OmegaConf follows all that a config that
is run holds; here is what is stored of it, and how a stranger's is read.
"""

import re
from collections.abc import Mapping
from typing import Any

from sesemi_search.config.experiment import Complete, Sampled, Written
from sesemi_search.errors import ConfigError

__all__ = ["follow_interpolations", "keep_interpolations"]

_Place = tuple[str, ...]

# `${key}`, `${a.b[0]}` and, relative to where it stands, `${.key}`; with a colon it would be a resolver.
_KEY = re.compile(r"(?<!\\)\$\{(\.*)([^\s.{}()\\:'\",$][^\s{}()\\:'\",$]*)\}")
# Characters of interpolations and of what they lead to, in one config: a few lines can be made to be gigabytes.
_MOST = 1_000_000


def keep_interpolations(experiment: Written | Sampled, complete: Complete) -> Written:
    """Returns a complete experiment with the interpolations that it was written with.

    Those stay that name keys of the experiment and lead to the value that it has; all others are values.

    Args:
        experiment: The experiment as it is written, with or without a sample in it.
        complete: The same, resolved and completed.
    """
    return Written(_keep(experiment, complete, _Follower(complete), ()))


def follow_interpolations(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns plain containers with the value of each key that is referred to in its place.

    What holds a resolver, or leads nowhere, stays as it is written.

    Args:
        config: Plain containers, of whoever's making.

    Raises:
        ConfigError: What they lead to is out of all proportion.
        RecursionError: They lead in a circle.
    """
    followed: dict[str, Any] = _Follower(config).follow(config, ())
    return followed


def _keep(written: Any, value: Any, follower: "_Follower", place: _Place) -> Any:
    if isinstance(written, str) and "${" in written:
        return written if follower.follow(written, place) == value else value
    if isinstance(written, Mapping) and isinstance(value, Mapping):
        return {k: _keep(written.get(k), child, follower, (*place, str(k))) for k, child in value.items()}
    if isinstance(written, list) and isinstance(value, list):
        pairs = enumerate(zip(written, value, strict=True))
        return [_keep(each, child, follower, (*place, str(i))) for i, (each, child) in pairs]
    return value


class _Follower:
    """Follows the interpolations of a config.

    Args:
        config: Plain containers.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._num_left = _MOST

    def follow(self, value: Any, place: _Place) -> Any:
        """Returns a value that stands at a place of the config, followed."""
        if isinstance(value, Mapping):
            return {key: self.follow(child, (*place, str(key))) for key, child in value.items()}
        if isinstance(value, list):
            return [self.follow(child, (*place, str(i))) for i, child in enumerate(value)]
        if not isinstance(value, str) or "${" in _KEY.sub("", value):
            return value
        try:
            if whole := _KEY.fullmatch(value):
                return self._find(whole, place)
            return _KEY.sub(lambda match: str(self._find(match, place)), value)
        except ConfigError:
            raise
        except (LookupError, TypeError, ValueError):
            return value

    def _find(self, match: re.Match[str], place: _Place) -> Any:
        """Returns the value that an interpolation at a place leads to.

        Raises:
            LookupError, TypeError, ValueError: It leads nowhere.
        """
        num_up = len(match[1])
        path = (*place[: max(0, len(place) - num_up)], *_parts(match[2])) if num_up else _parts(match[2])
        value: Any = self._config
        for i, part in enumerate(path):
            value = value[int(part) if isinstance(value, list) else part]
            if isinstance(value, str):
                value = self.follow(value, path[: i + 1])
        value = self.follow(value, path)
        self._num_left -= len(match[0]) + len(str(value))
        if self._num_left < 0:
            raise ConfigError(
                "", f"its interpolations make more than {_MOST} characters of it; no config of a trial does."
            )
        return value


def _parts(key: str) -> _Place:
    """Returns the parts of a dotted key, `a.b[0]`."""
    return tuple(part for part in re.split(r"[.\[\]]", key) if part)
