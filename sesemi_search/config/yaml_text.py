"""YAML as Hydra and OmegaConf read and write it, by libyaml's parser and emitter, which take a tenth of the time.

To their loader `1e-3` is a number, and their dumper quotes a string that would be read back as one.
"""

import functools
from collections.abc import Mapping
from typing import Any

import yaml
from omegaconf._utils import get_omega_conf_dumper, get_yaml_loader

__all__ = ["dump_yaml", "yaml_loader"]


@functools.cache
def yaml_loader() -> Any:
    """Returns OmegaConf's loader on libyaml's parser, if PyYAML was built with it; duplicate keys pass."""
    loader = get_yaml_loader()
    if not yaml.__with_libyaml__:
        return loader
    rules = {name: getattr(loader, name) for name in ("yaml_implicit_resolvers", "yaml_constructors")}
    return type("Loader", (yaml.CSafeLoader,), rules)


def dump_yaml(content: Mapping[str, Any]) -> str:
    """Returns plain containers as YAML, keys in their order."""
    text: str = yaml.dump(content, Dumper=_dumper(), default_flow_style=False, allow_unicode=True, sort_keys=False)
    return text


@functools.cache
def _dumper() -> Any:
    """OmegaConf's dumper on libyaml's emitter, if PyYAML was built with it."""
    dumper = get_omega_conf_dumper()
    if not yaml.__with_libyaml__:
        return dumper
    rules = {name: getattr(dumper, name) for name in ("yaml_implicit_resolvers", "yaml_representers")}
    return type("Dumper", (yaml.CDumper,), rules)
