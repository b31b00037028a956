"""Reading configs that may be a stranger's: their interpolations get nothing from the environment.

`${oc.env:WANDB_API_KEY}` in a config that is run gives its author what their own program could read anyway. In one that
is only read, it would put a reader's key into a message, a W&B run or the address of a database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

from sesemi_search.config.hydra_errors import explain
from sesemi_search.errors import ConfigError

__all__ = ["sealed_environment"]

_ENV = "oc.env"
# Blocks entered and not left; OmegaConf's resolvers belong to the process.
_entered = 0


@contextmanager
def sealed_environment() -> Iterator[None]:
    """Makes `${oc.env:...}` an error inside the block, however it is spelled.

    Raises:
        ConfigError: Out of the block came an error of an interpolation, this one or another.
    """
    global _entered
    _entered += 1
    OmegaConf.register_new_resolver(_ENV, _refuse, replace=True)
    try:
        yield
    except OmegaConfBaseException as error:
        raise ConfigError.of(explain(error)) from error
    finally:
        _entered -= 1
        if not _entered:
            OmegaConf.register_new_resolver(_ENV, oc.env, replace=True)


def _refuse(name: str, *default: Any) -> NoReturn:  # noqa: ARG001
    raise ConfigError("", f"the environment variable {name} is not given to a search that is only read.")
