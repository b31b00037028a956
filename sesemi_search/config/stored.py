"""A config that is stored in a run or a search, read as data: no resolver in it runs, and nothing is built."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sesemi_search.config.interpolations import follow_interpolations
from sesemi_search.errors import ConfigError

__all__ = ["read_stored_config"]


def read_stored_config(path: Path) -> dict[str, Any]:
    """Returns a config of whoever's making, its references to other keys followed.

    Raises:
        ConfigError: It cannot be read, or is not one of ours.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # We write none. A handful of lines with aliases is gigabytes when written out.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise ConfigError("", "holds a YAML alias, which no config of a trial does.", file=path)
        config = yaml.safe_load(text)
        if isinstance(config, dict):
            config = follow_interpolations(config)
        json.dumps(config, default=str)
    except ConfigError as error:
        raise ConfigError.of(*(replace(problem, file=str(path)) for problem in error.problems)) from error
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError("", f"{path} cannot be read ({type(error).__name__}).") from error
    if not isinstance(config, dict) or not isinstance(config.get("run"), dict) or "num_epochs" not in config["run"]:
        raise ConfigError("", "not the config of a trial; it has no run.num_epochs.", file=path)
    return config
