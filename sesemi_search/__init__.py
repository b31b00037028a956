"""Hyperparameter and architecture search for image classifiers."""

import importlib
from typing import Any

__all__ = ["__version__"]

__version__ = "0.1.0"

# What SESEMI has at its top, for configs that name `sesemi.LinearHead`; imported when it is asked for.
_SESEMI_NAMES = {
    "LinearHead": "sesemi_search.models.heads",
    "PyTorchImageModel": "sesemi_search.models.backbones.timm",
    "TorchVisionBackbone": "sesemi_search.models.backbones.torchvision",
}


def __getattr__(name: str) -> Any:
    if name not in _SESEMI_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_SESEMI_NAMES[name]), name)
