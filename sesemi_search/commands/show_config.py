"""`--cfg job`: the composed config as YAML, as Hydra would print it."""

from contextlib import suppress
from dataclasses import replace

from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.compose import Composed, Request, compose_config
from sesemi_search.config.experiment import written_space
from sesemi_search.console import print_text
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import activate, project_path

__all__ = ["show_config"]


def show_config(request: Request) -> int:
    """Prints the config that a command line composes, interpolations unresolved; returns the exit code."""
    from omegaconf import OmegaConf

    from sesemi_search.space.overrides import override_space

    composed = compose_config(replace(request, is_shown=True))
    if composed.space_overrides:
        composed.config.space = override_space(written_space(composed.config), composed.space_overrides)
    for note in composed.notes:
        print_text(note, is_error=True)
    with suppress(ConfigError, OmegaConfBaseException):  # of a folder that is not there, a value that is yet missing
        _follow_source(composed)
    print_text(OmegaConf.to_yaml(composed.config).rstrip("\n"))
    return 0


def _follow_source(composed: Composed) -> None:
    """Puts in the number of classes that no config sets, which takes torch."""
    from omegaconf import OmegaConf

    if OmegaConf.is_missing(composed.config.learner.hparams, "num_classes"):
        from sesemi_search.data.classes import follow_classes

        activate(composed.project)
        follow_classes(composed.config, project_path(composed.project, composed.config.run.data_root))
