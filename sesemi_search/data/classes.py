"""The number of classes, as far as a source knows it before any of its images is read.

The class of a source says it as `num_classes`: a number, or a property where it takes the arguments to say it. Then the
source is built for it, so building it has to be cheap. A class that inherits it may have changed the labels, and says
nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.config.targets import locate
from sesemi_search.data.sources import SOURCE_KEY, Source, build_source, check_source
from sesemi_search.errors import ConfigError, describe_exception, raise_problems, user_code

__all__ = ["check_classes", "count_classes", "follow_classes"]

_KEY = "learner.hparams.num_classes"


def count_classes(node: Mapping[str, Any], data_root: Path) -> int | None:
    """Returns how many classes a source has, None where only its images would tell.

    Raises:
        ConfigError: The node is none of a source, or the source is not there.
    """
    raise_problems(check_source(node))
    target = locate(node["_target_"], SOURCE_KEY)
    if not (isinstance(target, type) and issubclass(target, Source)):
        return None
    said = vars(target).get("num_classes")
    if isinstance(said, property):
        source = build_source(node, data_root)
        try:
            with user_code():
                said = source.num_classes  # type: ignore[attr-defined]
        except Exception as error:
            text = f"{node['_target_']}.num_classes raised {describe_exception(error)}"
            raise ConfigError(SOURCE_KEY, text) from error
    return said if isinstance(said, int) else None


def follow_classes(config: DictConfig, data_root: Path) -> None:
    """Puts the number of classes of the source where a config leaves it open.

    Raises:
        ConfigError: The source is not there, or does not know it, or has too few.
    """
    if not OmegaConf.is_missing(config.learner.hparams, "num_classes"):
        return
    source = config.data.source
    node: Any = OmegaConf.to_container(source, resolve=True) if isinstance(source, DictConfig) else source
    known = count_classes(node, data_root)
    if known is None:
        raise ConfigError(
            _KEY,
            f"missing; {node['_target_']} does not say how many classes it has. "
            f"Write {_KEY}=VALUE on the command line, or set it in a config.",
        )
    if known < 2:
        raise ConfigError(
            SOURCE_KEY,
            f"got {node!r}, which has {known} class; it takes 2 at least. Of image files, each folder is one.",
        )
    config.learner.hparams.num_classes = known


def check_classes(experiment: ExperimentConfig) -> None:
    """Sees that the images are there, and of as many classes as the model, before anything is built for them.

    Raises:
        ConfigError: They are not.
    """
    known = count_classes(experiment.data.source, Path(experiment.run.data_root))
    number = experiment.learner.hparams.num_classes
    if known is not None and known != number:
        raise ConfigError(
            _KEY,
            f"got {number}, but the data has labels from 0 to {known - 1}; it takes {known}, "
            "or is left out and follows the data.",
        )
