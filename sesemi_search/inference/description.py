"""`model.json`: all that there is to know of trained weights to use them, in a form that a stranger can read.

It says the names of the classes, how an image is prepared, how backbone and head are built, and the temperature of the
probabilities. It is read as data: nothing that it names is imported here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sesemi_search.atomic import write_text
from sesemi_search.errors import ConfigError
from sesemi_search.inference.preprocessing import Preprocessing
from sesemi_search.project.project import MODEL_JSON

__all__ = ["ModelDescription", "read_description", "write_description"]

_FORMAT = "sesemi-search model"
_VERSION = 1


@dataclass(frozen=True)
class ModelDescription:
    """What a model is, but for its weights.

    Attributes:
        classes: K names, in the order of the logits.
        preprocessing: From an image to what the model takes.
        backbone: `_target_` node, resolved.
        head: `_target_` node, resolved.
        temperature: What the logits are divided by before they become probabilities (Guo et al., 2017), above 0; 1
            where nothing was fitted.
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing
    backbone: Mapping[str, Any]
    head: Mapping[str, Any]
    temperature: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Returns the content of `model.json`."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_json(),
            "temperature": self.temperature,
            "backbone": dict(self.backbone),
            "head": dict(self.head),
        }


def write_description(folder: Path, description: ModelDescription) -> None:
    """Writes `model.json` into a folder, whole or not at all."""
    write_text(folder / MODEL_JSON, json.dumps(description.to_json(), indent=1, ensure_ascii=False) + "\n")


def read_description(path: Path) -> ModelDescription:
    """Reads a `model.json`, of whoever's making.

    Raises:
        ConfigError: It is none, is broken, or of a later version of this program.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ConfigError("", f"it describes no model of this program; its format is not {_FORMAT!r}.")
        if content["version"] != _VERSION:
            raise ConfigError(
                "", f"it is of version {content['version']}, and this program reads version {_VERSION}; update it."
            )
        classes = tuple(content["classes"])
        if len(set(classes)) != len(classes) or not all(isinstance(name, str) for name in classes):
            raise ValueError("classes")
        temperature = float(content["temperature"])
        if not 0 < temperature < float("inf"):
            raise ValueError("temperature")
        preprocessing = Preprocessing.from_json(content["preprocessing"])
        return ModelDescription(classes, preprocessing, content["backbone"], content["head"], temperature)
    except ConfigError as error:
        raise ConfigError.of(*(replace(problem, file=str(path)) for problem in error.problems)) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError("", f"it cannot be read ({type(error).__name__}: {error}).", file=path) from error
