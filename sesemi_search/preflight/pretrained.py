"""Pretrained weights before a search: each backbone that begins with some is built with them once.

Weights that cannot be downloaded, or do not fit, are found here and not by the first trials; those that can are in the
cache when the trials look for them.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sesemi_search.config.targets import instantiate
from sesemi_search.errors import ConfigError, Problem, raise_problems
from sesemi_search.models.classifier import BACKBONE_KEY
from sesemi_search.preflight.branches import Checked, End
from sesemi_search.preflight.probe import undisturbed

__all__ = ["load_pretrained"]

logger = logging.getLogger(__name__)

_AT_ONCE = 4


def load_pretrained(checked: Checked) -> None:
    """Builds every pretrained backbone of the branches without a problem, which downloads what is missing.

    Raises:
        ConfigError: With each of the weights that cannot be had or do not fit.
    """
    found = {json.dumps(node, sort_keys=True): (node, end) for node, end in _pretrained_backbones(checked)}
    if not found:
        return
    names = list(dict.fromkeys(str(node.get("name", node["_target_"])) for node, _ in found.values()))
    logger.info(f"pretrained weights of {', '.join(names)}: loading, and downloading what is missing")
    # Side by side: without a network each would wait three quarters of a minute for the hub's client to give up.
    with undisturbed(), ThreadPoolExecutor(_AT_ONCE) as pool:
        problems = pool.map(lambda pair: _load(checked, *pair), found.values())
        raise_problems([problem for of_one in problems for problem in of_one])


def _load(checked: Checked, node: Mapping[str, Any], end: End) -> list[Problem]:
    try:
        instantiate(node, BACKBONE_KEY)
    except ConfigError as error:
        return [checked.locate(problem, end) for problem in error.problems]
    return []


def _pretrained_backbones(checked: Checked) -> Iterator[tuple[Mapping[str, Any], End]]:
    """Yields the backbones with the low ends that have them: numbers make no difference to which weights are loaded."""
    for branch in checked.branches:
        low = branch.low
        if not branch.problems and low.config is not None and low.architecture is not None:
            if low.architecture.loads_weights:
                yield low.config["learner"]["hparams"]["model"]["backbone"], low
