"""`--cfg job`: the composed config as YAML, as Hydra would print it."""

from sesemi_search.config.compose import Request, compose_config

__all__ = ["show_config"]


def show_config(request: Request) -> int:
    """Prints the config that a command line composes, interpolations unresolved; returns the exit code."""
    from omegaconf import OmegaConf

    print(OmegaConf.to_yaml(compose_config(request).config), end="")
    return 0
