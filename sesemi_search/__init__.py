"""Hyperparameter and architecture search for image classifiers.

`run`, `resume`, `run_final`, `train`, `evaluate` and `export` do what the verbs of the command line do, `open_search`
reads a search, `load_model` loads a trained model. All else is imported from its own module.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sesemi_search.api import evaluate, export, resume, run, run_final, train
    from sesemi_search.inference import load_model
    from sesemi_search.report.search import Search, open_search

__all__ = [
    "Search",
    "__version__",
    "evaluate",
    "export",
    "load_model",
    "open_search",
    "resume",
    "run",
    "run_final",
    "train",
]

__version__ = "0.1.0"

# Imported when they are asked for: `import sesemi_search` costs nothing.
_NAMES = {
    "Search": "sesemi_search.report.search",
    "evaluate": "sesemi_search.api",
    "export": "sesemi_search.api",
    "load_model": "sesemi_search.inference",
    "open_search": "sesemi_search.report.search",
    "resume": "sesemi_search.api",
    "run": "sesemi_search.api",
    "run_final": "sesemi_search.api",
    "train": "sesemi_search.api",
    # What SESEMI has at its top, for configs that name `sesemi.LinearHead`.
    "LinearHead": "sesemi_search.models.heads",
    "PyTorchImageModel": "sesemi_search.models.backbones.timm",
    "TorchVisionBackbone": "sesemi_search.models.backbones.torchvision",
}


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
