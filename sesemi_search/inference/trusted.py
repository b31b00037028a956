"""Which `_target_` of somebody's model may be built: classes of models, and nothing else, unless its user says so.

`os.system` is a `_target_` as good as any. What a description or a config names is therefore held to be a class that
inherits `torch.nn.Module`, at any depth of a node, before anything is called. Its module is imported for that; only
from what is installed, and from the project of the one who loads the model.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from sesemi_search.config.targets import locate
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import activate, find_project

__all__ = ["check_trusted", "import_classes"]

logger = logging.getLogger(__name__)


def import_classes(nodes: Mapping[str, Any], project: Path | None, remembered: str | None) -> None:
    """Sees that all that some nodes name can be imported, with the code of a project where it takes that.

    Args:
        nodes: By dotted key, `_target_` nodes.
        project: The project to take; None is the one that the working directory is in, if it takes one.
        remembered: The project that the model says it comes from, for a message.

    Raises:
        ConfigError: Something cannot be imported; `project` is none.
    """
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # it tells of an import that fails, and so do we
    activate(None if project is None else find_project(project, None))
    targets = dict(_targets(nodes, ""))
    try:
        _locate_all(targets)
    except ConfigError as error:
        found = find_project(None, None, remembered=False) if project is None else None
        if found is None:
            raise _unimportable(error, project, remembered) from error
        activate(found)
        try:
            _locate_all(targets)
        except ConfigError as again:
            raise _unimportable(again, found.root, remembered) from again
        logger.warning(f"classes of the model are those of the project {found.root}")


def check_trusted(nodes: Mapping[str, Any]) -> None:
    """Sees that nodes, all of which can be imported, name classes of models and nothing else.

    Raises:
        ConfigError: One names another thing, or holds an interpolation, which would be resolved.
    """
    for key, target in _targets(nodes, ""):
        found: Any = locate(target, key)
        if not (isinstance(found, type) and issubclass(found, nn.Module)):
            raise ConfigError(
                f"{key}._target_",
                f"{target} is no class of a torch.nn.Module, and calling it could do anything. If you trust whoever "
                "made this model, load it with --trust, or load_model(..., trust=True).",
            )
    if "${" in str(nodes):
        raise ConfigError("", "the model's nodes hold an interpolation; no model of this program's does.")


def _targets(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yields every `_target_` in plain containers, with the dotted key of its node."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            yield key, value["_target_"]
        children: Any = value.items()
    else:
        children = enumerate(value) if isinstance(value, list | tuple) else ()
    for name, child in children:
        yield from _targets(child, f"{key}.{name}" if key else str(name))


def _locate_all(targets: Mapping[str, Any]) -> None:
    for key, target in targets.items():
        locate(target, key)


def _unimportable(error: ConfigError, looked_in: Path | None, remembered: str | None) -> ConfigError:
    looked = f" Looked in the project {looked_in} too." if looked_in else ""
    made = f" The model was made with {remembered}." if remembered else ""
    advice = " Name the project that has its src: --project DIR, or load_model(..., project=DIR)."
    problem = error.problems[0]
    return ConfigError(problem.key, f"{problem.text}{looked}{made}{advice}")
