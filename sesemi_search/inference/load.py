"""From a folder or a file to a model that can be asked. No pickle is executed, and no code but that of models."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sesemi_search.errors import ConfigError, user_code
from sesemi_search.inference.classifier import ImageClassifier
from sesemi_search.inference.description import ModelDescription
from sesemi_search.inference.locate import ModelFiles, describe_files, find_model, remembered_project
from sesemi_search.inference.trusted import check_trusted, import_classes
from sesemi_search.models.classifier import BACKBONE_KEY, HEAD_KEY, Classifier, build_classifier
from sesemi_search.models.weights import are_weights, load_strictly, without_weights
from sesemi_search.project.project import activate, find_project
from sesemi_search.training.checkpoint import CheckpointError, load_checkpoint
from sesemi_search.training.fit import eval_weights

__all__ = ["load_files", "load_model"]


def load_model(
    path: str | Path, *, project: str | Path | None = None, trust: bool = False, device: str | torch.device = "cpu"
) -> ImageClassifier:
    """Loads a trained model, in evaluation mode: `load_model(DIR).predict("photo.jpg").label`.

    Args:
        path: The folder of a run of `train`; of a search, where it is its final model, or else its best trial's; of a
            trial whose checkpoint was kept; or a `model.safetensors` or `model.pt` that has its `model.json` or
            `config.yaml` beside it.
        project: The folder whose `src` has the classes of backbone and head, where those are not installed; None looks
            in the project that the working directory is in.
        trust: Builds whatever the model names, and not classes of `torch.nn.Module` alone: for a backbone that a
            function makes. What is named could do anything, so trust whoever made the model.
        device: Where it goes.

    Raises:
        ConfigError: There is no model, it is broken, its classes cannot be imported, or they are none of models.
    """
    return load_files(find_model(path), None if project is None else Path(project), trust).to(device)


@user_code()
def load_files(files: ModelFiles, project: Path | None = None, trust: bool = False) -> ImageClassifier:
    """Loads a model whose files were found, onto the CPU; see `load_model`."""
    if trust:  # whose data source may be of the project
        activate(None if project is None else find_project(project, None))
    description = describe_files(files, trust)
    nodes = {BACKBONE_KEY: description.backbone, HEAD_KEY: description.head}
    import_classes(nodes, project, remembered_project(files.folder))
    if not trust:
        check_trusted(nodes)
    model = _build(description)
    opening = f"{files.weights} does not fit the model that is described beside it"
    load_strictly(model, _read_weights(files.weights), opening)
    return ImageClassifier(model, description)


def _build(description: ModelDescription) -> Classifier:
    """Builds a model for its shapes: the weights that it began with are not loaded, and its draws leave no trace."""
    with without_weights(), torch.random.fork_rng(devices=[]):
        return build_classifier(description.backbone, description.head, len(description.classes))


def _read_weights(path: Path) -> dict[str, Tensor]:
    """Reads weights, of the state of a whole run too.

    Raises:
        ConfigError: The file is broken, or holds something else.
    """
    try:
        content: dict[str, Any] = load_file(path) if path.suffix == ".safetensors" else load_checkpoint(path)
    except CheckpointError as error:
        raise ConfigError("", str(error)) from error
    except (SafetensorError, OSError) as error:
        raise ConfigError("", f"it cannot be read: {error}.", file=path) from error
    if {"model", "ema"} <= content.keys():
        content = eval_weights(content)
    if not are_weights(content):
        raise ConfigError("", "it holds no weights of this program.", file=path)
    return content
