"""Hydra's primary config, which is one of ours: a schema, a list of defaults, and the folders of YAML to search.

It is the one module that asks Hydra to compose, and to say which files it composes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

from sesemi_search.config.hydra_errors import explain
from sesemi_search.config.layers import Source, lay, replace_nodes
from sesemi_search.config.overrides import for_hydra
from sesemi_search.config.sesemi_keys import with_aliases
from sesemi_search.errors import ConfigError

__all__ = ["Primary"]

_NAME = "sesemi_search_primary"
_SCHEMA = "sesemi_search_schema"


@dataclass(frozen=True)
class Primary:
    """What to compose: a defaults list below a schema, with overrides, from folders of which the first wins."""

    schema: type
    defaults: Sequence[Any]
    overrides: Sequence[Override]
    folders: Sequence[Path]

    def compose(self) -> DictConfig:
        """Lets Hydra compose.

        Raises:
            ConfigError: Any mistake in an override or in a YAML file.
        """
        try:
            with self._initialized():
                config = compose(_NAME, overrides=self._hydra_overrides())
                replace_nodes(config, lay(self._found(), self.overrides))
                return config
        except Exception as error:
            # Over a user's file or override, Hydra raises what it comes across: its own errors, OmegaConf's, YAML's,
            # ValueError, TypeError, RecursionError.
            raise ConfigError.of(explain(error, self.folders)) from error

    def sources(self) -> Iterator[Source]:
        """Yields the files that Hydra merges, in their order, a later one over those before it."""
        with self._initialized():
            yield from self._found()

    def _hydra_overrides(self) -> list[str]:
        return [for_hydra(override) for override in self.overrides]

    def _found(self) -> Iterator[Source]:
        loader = GlobalHydra.instance().config_loader()
        for default in loader.compute_defaults_list(_NAME, self._hydra_overrides(), RunMode.RUN).defaults:
            files = [folder / f"{default.config_path}.yaml" for folder in self.folders]
            file = next((file for file in files if file.is_file()), None)
            if file is not None:
                yield Source(file, default.package or "")

    @contextmanager
    def _initialized(self) -> Iterator[None]:
        search_path = ["file://" + str(folder).replace("${", "\\${") for folder in self.folders[1:]]
        store = ConfigStore.instance()
        store.store(name=_SCHEMA, node=with_aliases(self.schema))
        primary = {"defaults": [_SCHEMA, *self.defaults, "_self_"], "hydra": {"searchpath": search_path}}
        store.store(name=_NAME, node=primary)
        GlobalHydra.instance().clear()
        with initialize_config_dir(version_base="1.3", config_dir=str(self.folders[0]), job_name="sesemi-search"):
            yield
