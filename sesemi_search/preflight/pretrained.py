"""Pretrained weights before a search: each backbone that begins with some is built with them once.

Weights that cannot be downloaded, or do not fit, are found here and not by the first trials; those that can are in the
cache when the trials look for them.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sesemi_search.config.targets import instantiate
from sesemi_search.errors import ConfigError, Problem, raise_problems
from sesemi_search.models.classifier import BACKBONE_KEY
from sesemi_search.preflight.branches import Branch
from sesemi_search.preflight.probe import undisturbed

__all__ = ["load_pretrained"]

logger = logging.getLogger(__name__)

_AT_ONCE = 4


def load_pretrained(branches: Sequence[Branch]) -> None:
    """Builds every pretrained backbone of some branches, which downloads what is missing.

    Args:
        branches: The branches; those with a problem are passed over.

    Raises:
        ConfigError: With each of the weights that cannot be had or do not fit.
    """
    nodes = {json.dumps(node, sort_keys=True): node for node in _pretrained_backbones(branches)}
    if not nodes:
        return
    names = list(dict.fromkeys(str(node.get("name", node["_target_"])) for node in nodes.values()))
    logger.info(f"pretrained weights of {', '.join(names)}: loading, and downloading what is missing")
    # Side by side: without a network each would wait three quarters of a minute for the hub's client to give up.
    with undisturbed(), ThreadPoolExecutor(_AT_ONCE) as pool:
        raise_problems([problem for problems in pool.map(_load, nodes.values()) for problem in problems])


def _load(node: Mapping[str, Any]) -> list[Problem]:
    try:
        instantiate(node, BACKBONE_KEY)
    except ConfigError as error:
        return error.problems
    return []


def _pretrained_backbones(branches: Sequence[Branch]) -> Iterator[Mapping[str, Any]]:
    """Yields the backbones at the low ends: numbers make no difference to which weights are loaded."""
    for branch in branches:
        low = branch.low
        if not branch.problems and low.config is not None and low.architecture is not None:
            if low.architecture.loads_weights:
                yield low.config["learner"]["hparams"]["model"]["backbone"]
