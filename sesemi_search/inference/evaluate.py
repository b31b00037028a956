"""How often a trained model is right on a split of some data, whose classes it has to know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.data import Images, check_labels, load_splits, open_images
from sesemi_search.data.classes import count_classes
from sesemi_search.data.source_facts import read_class_names
from sesemi_search.data.sources import SOURCE_KEY
from sesemi_search.data.splits import load_source
from sesemi_search.errors import ConfigError
from sesemi_search.inference.classifier import ImageClassifier

__all__ = ["ALL", "ClassScore", "Evaluation", "collect_logits", "evaluate_model"]

ALL = "all"  # in the place of a split: all images of the source, of a folder that was made to be scored
_SHOWN = 10  # names of classes in a message


@dataclass(frozen=True)
class ClassScore:
    """The images of one class.

    Attributes:
        num_images: How many there are.
        num_right: How many the model calls so.
    """

    num_images: int
    num_right: int

    @property
    def recall(self) -> float | None:
        """The share that is right, in [0, 1]; None of no image."""
        return self.num_right / self.num_images if self.num_images else None


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on a split.

    Attributes:
        split: `train`, `val`, `test`, or `all` images of the source.
        num_images: Images of the split.
        top1: Share of images that are right, in [0, 1].
        top5: Share of images whose class is among the five most probable; None of five classes or fewer.
        loss: Mean negative log of the probability of the right class: cross entropy, in nats.
        classes: Of each class of the model, in order, its score.
    """

    split: str
    num_images: int
    top1: float
    top5: float | None
    loss: float
    classes: Mapping[str, ClassScore]

    def to_json(self) -> dict[str, Any]:
        """Returns it as JSON has it."""
        classes = {name: {**vars(score), "recall": score.recall} for name, score in self.classes.items()}
        return {**vars(self), "classes": classes}


def evaluate_model(model: ImageClassifier, config: ExperimentConfig, split: str) -> Evaluation:
    """Scores a model on one split of a config's data. Where that is `test`, the test split is opened here.

    Args:
        model: On the device to compute on.
        config: What has the data, with the model's own size, channels and normalization.
        split: `train`, `val`, `test`, or `all` images of the source.

    Raises:
        ConfigError: The data cannot be loaded, or has classes that the model does not know.
    """
    logits, labels = collect_logits(model, config, split)
    right = logits.argmax(dim=1) == labels
    num_classes = len(model.classes)
    totals = torch.bincount(labels, minlength=num_classes).tolist()
    hits = torch.bincount(labels[right], minlength=num_classes).tolist()
    ranked = logits.topk(5, dim=1).indices if num_classes > 5 else None
    return Evaluation(
        split=split,
        num_images=len(labels),
        top1=right.double().mean().item(),
        top5=None if ranked is None else (ranked == labels[:, None]).any(dim=1).double().mean().item(),
        loss=functional.cross_entropy(logits.double(), labels).item(),
        classes={name: ClassScore(*counts) for name, *counts in zip(model.classes, totals, hits, strict=True)},
    )


@torch.inference_mode()
def collect_logits(model: ImageClassifier, config: ExperimentConfig, split: str) -> tuple[Tensor, Tensor]:
    """Returns a model's logits (N, K) for all images of a split, and their labels (N,) as classes of the model.

    Args:
        model: On the device to compute on.
        config: As of `evaluate_model`.
        split: `train`, `val`, `test`, or `all` images of the source.

    Raises:
        ConfigError: The data cannot be loaded, or has classes that the model does not know.
    """
    data, run = config.data, config.run
    device = model.temperature.device
    numbers = _match_classes(model.classes, _data_classes(config, len(model.classes)))
    data_root, share = Path(run.data_root), run.memory_share
    is_all = split == ALL
    loaded = load_source(data, data_root, share) if is_all else load_splits(data, data_root, (split,), share)[split]
    check_labels(loaded, len(numbers))
    images: Images = open_images(split, loaded, data, run, device)
    parts = [(model(batch).cpu(), labels.cpu()) for batch, labels in images.batches(run.batch_size_per_gpu)]
    return torch.cat([logits for logits, _ in parts]), numbers[torch.cat([labels for _, labels in parts])]


def _data_classes(config: ExperimentConfig, num_classes: int) -> Sequence[str]:
    """Returns the names of the classes of the data; of a source that does not say how many, `num_classes`."""
    node, data_root = config.data.source, Path(config.run.data_root)
    known = count_classes(node, data_root)
    return read_class_names(node, data_root, num_classes if known is None else known)


def _match_classes(known: Sequence[str], given: Sequence[str]) -> Tensor:
    """Returns the class of the model for each of the data's, by name: (K of the data,) int64.

    Raises:
        ConfigError: The data has others.
    """
    unknown = [name for name in given if name not in set(known)]
    if unknown:
        raise ConfigError(
            SOURCE_KEY,
            f"the data has the classes {_listed(unknown)}, which the model does not know; it knows {_listed(known)}. "
            "A source says its names as `classes`; one that does not has numbers.",
        )
    places = {name: place for place, name in enumerate(known)}
    return torch.from_numpy(np.array([places[name] for name in given], dtype=np.int64))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
