"""`--cfg job`: the composed config as YAML, as Hydra would print it."""

import sys
from dataclasses import replace

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import written_space

__all__ = ["show_config"]


def show_config(request: Request) -> int:
    """Prints the config that a command line composes, interpolations unresolved; returns the exit code."""
    from omegaconf import OmegaConf

    from sesemi_search.space.overrides import override_space

    composed = compose_config(replace(request, is_shown=True))
    if composed.space_overrides:
        composed.config.space = override_space(written_space(composed.config), composed.space_overrides)
    for note in composed.notes:
        print(note, file=sys.stderr)
    print(OmegaConf.to_yaml(composed.config), end="")
    return 0
