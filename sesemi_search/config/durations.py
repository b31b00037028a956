"""Durations as people write them: `2h`, `1h30m`, `90s`, or a number of seconds."""

import re

from sesemi_search.errors import ConfigError

__all__ = ["parse_duration"]

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def parse_duration(text: str, key: str) -> float:
    """Returns a duration in seconds.

    Raises:
        ConfigError: It is not written as one, or not above 0; the message names `key`.
    """
    written = text.strip().lower()
    try:
        seconds = float(written)
    except ValueError:
        parts = re.fullmatch(r"((\d+(\.\d+)?)[dhms])+", written)
        pairs = re.findall(r"(\d+(?:\.\d+)?)([dhms])", written) if parts else []
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in pairs)
    if not 0 < seconds < float("inf"):
        raise ConfigError(key, f"got {text!r}; it takes a time such as 2h, 1h30m or 90s, or a number of seconds.")
    return seconds
