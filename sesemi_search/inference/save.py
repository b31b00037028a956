"""Writes a trained model so that it can be used: weights, and the description that they are rebuilt with."""

from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor, nn

from sesemi_search.atomic import atomic_file
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.data.source_facts import SourceFacts, read_source_facts
from sesemi_search.inference.description import ModelDescription, write_description
from sesemi_search.inference.preprocessing import Preprocessing
from sesemi_search.project.project import MODEL_PT, MODEL_SAFETENSORS
from sesemi_search.training.checkpoint import save_checkpoint

__all__ = ["describe_model", "save_model"]

_OURS = ("sesemi_search.", "sesemi.")


def save_model(folder: Path, model: nn.Module, config: ExperimentConfig) -> None:
    """Writes `model.safetensors`, `model.pt` (the same weights) and `model.json` into a folder, each atomically.

    `load_model(folder)` gives the model again. Names of the classes are those of `config.data.source`, which is built
    for it.

    Args:
        folder: The folder, which exists.
        model: The classifier that `config` builds, trained; on any device.
        config: Its experiment, with `data.mean` and `data.std` as numbers.

    Raises:
        OSError: The disk is full, say.
    """
    # From the CPU: a plain torch.load on a machine without a GPU refuses what was saved from one.
    state = {name: _to_cpu(value) for name, value in model.state_dict().items()}
    save_checkpoint(folder / MODEL_PT, state)
    if all(isinstance(value, Tensor) for value in state.values()):  # the extra state of a module may be anything
        with atomic_file(folder / MODEL_SAFETENSORS) as file:
            file.write(safetensors.torch.save(state, metadata={"format": "pt"}))
    num_classes = config.learner.hparams.num_classes
    facts = read_source_facts(config.data.source, Path(config.run.data_root), num_classes)
    write_description(folder, describe_model(config, facts))


def describe_model(config: ExperimentConfig, facts: SourceFacts) -> ModelDescription:
    """Returns the description of the model that a config builds.

    Args:
        config: An experiment with `data.mean` and `data.std` as numbers.
        facts: Of the source that it is trained with.
    """
    data, parts = config.data, config.learner.hparams.model
    assert data.image_size is not None, "whoever trained has settled the size"
    assert data.mean is not None
    assert data.std is not None
    preprocessing = Preprocessing(data.image_size, data.channels, tuple(data.mean), tuple(data.std), facts.stored)
    return ModelDescription(facts.classes, preprocessing, _without_file(parts.backbone), dict(parts.head))


def _without_file(backbone: dict[str, Any]) -> dict[str, Any]:
    """Returns the node of a backbone without the file of weights that one of ours began with: it may be gone."""
    is_ours = str(backbone.get("_target_")).startswith(_OURS)
    return {**backbone, "checkpoint": None} if is_ours and "checkpoint" in backbone else dict(backbone)


def _to_cpu(value: Any) -> Any:
    """Copies a tensor to the CPU, in rows, with memory of its own: safetensors takes no other."""
    return value.detach().cpu().contiguous().clone() if isinstance(value, Tensor) else value
