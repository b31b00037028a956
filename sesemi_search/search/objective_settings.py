"""What the objectives of a search settle in the rest of its config, so that whoever reads it later need ask nobody.

A built-in metric that is an objective is measured, a custom one says whether more of it is better, and best.pt of a
final run is the best by what its search was for.
"""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from sesemi_search.config.experiment import to_typed
from sesemi_search.config.schema import SearchConfig
from sesemi_search.errors import ConfigError
from sesemi_search.metrics import BEST_METRIC
from sesemi_search.search.ledger.objectives import objective_names, parse_objectives
from sesemi_search.training.evaluation import note_direction, settle_metrics

__all__ = ["settle_objectives"]


def settle_objectives(config: DictConfig) -> None:
    """Settles `learner.metrics`, `search.mode` and `run.best_metric` where a config leaves them to its objectives.

    What is wrong with the objectives themselves is left to whoever checks the search.

    Args:
        config: A composed search, its number of classes settled; changed in place.

    Raises:
        ConfigError: A custom metric cannot be built, to be asked whether more of it is better.
    """
    try:
        search: SearchConfig = to_typed(config.search)
    except ConfigError:
        return
    settle_metrics(config, *objective_names(search), config.run.best_metric)
    metrics: Any = OmegaConf.to_container(config.learner.metrics, resolve=True)
    try:
        objectives = parse_objectives(search, metrics)
    except ConfigError:
        return
    if search.mode is None:
        modes = [each.mode for each in objectives.each]
        config.search.mode = modes if isinstance(search.metric, list) else modes[0]
    for each in objectives.each:
        note_direction(config, each)
    of_validation = [each.name.removesuffix("/best") for each in objectives.each if each.name.startswith("val/")]
    if config.run.best_metric is None and of_validation and of_validation[0] != BEST_METRIC:
        config.run.best_metric = of_validation[0]
