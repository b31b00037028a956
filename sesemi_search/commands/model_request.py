"""The model that `predict`, `evaluate`, `calibrate` and `export` are about: found, loaded, on its device."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import Complete, resolve, type_experiment, written_experiment
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.errors import ConfigError
from sesemi_search.inference.classifier import ImageClassifier
from sesemi_search.inference.load import load_files
from sesemi_search.inference.locate import ModelFiles, find_model
from sesemi_search.project.project import activate, find_project, project_path

__all__ = ["ModelRequest", "compose_data", "open_model"]

_LOADING_DATA = ("evaluate", "calibrate")


class ModelRequest(NamedTuple):
    """What a command line says of a model.

    Attributes:
        verb: The verb.
        arguments: What stands behind it: the model, then what the verb takes besides.
        project: `--project`.
        trust: `--trust`.
        device: `--device`; None takes a GPU where there is one.
    """

    verb: str
    arguments: Sequence[str]
    project: Path | None = None
    trust: bool = False
    device: str | None = None


def open_model(request: ModelRequest) -> tuple[ModelFiles, ImageClassifier]:
    """Returns where the model of a command line is, and the model.

    Raises:
        ConfigError: None is named, it cannot be loaded, or there is no such device.
    """
    if not request.arguments:
        raise ConfigError(request.verb, f"say which model: sesemi-search {request.verb} DIR, or a model.safetensors.")
    device = _find_device(request.device)
    files = find_model(request.arguments[0])
    project, trust = request.project, request.trust
    if request.verb in _LOADING_DATA:  # which runs what the config names, of the project that it was made from
        own = find_project(project, files.folder)
        project, trust = None if own is None else own.root, True
    return files, load_files(files, project, trust).to(device)


def compose_data(request: ModelRequest, files: ModelFiles, model: ImageClassifier) -> ExperimentConfig:
    """Returns the experiment of a model, overridden, with the images of its data as the model takes them.

    Raises:
        ConfigError: An override is a mistake, or the config is not there.
    """
    if not (files.folder / "config.yaml").is_file():
        raise ConfigError(request.verb, f"{files.folder} has no config.yaml, which says what data there is.")
    composed = compose_config(
        Request(
            search=False,
            overrides=request.arguments[1:],
            config_name="config",
            config_dir=files.folder,
            project=request.project,
        )
    )
    activate(composed.project)
    config, taken = composed.config, model.preprocessing
    config.run.data_root = str(project_path(composed.project, config.run.data_root))
    with composed.source_lines.added():
        config.learner.hparams.num_classes = len(model.classes)
        resolved = resolve(
            written_experiment(config),
            image_size=taken.image_size,
            channels=taken.channels,
            mean=list(taken.mean),
            std=list(taken.std),
            train_transforms=None,
            class_weights=None,
        )
        return type_experiment(Complete(resolved))


def _find_device(given: str | None) -> torch.device:
    if given is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(given)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError("--device", f"got {given!r}, which is not here; it takes cpu, or cuda with a GPU.") from error
    return device
