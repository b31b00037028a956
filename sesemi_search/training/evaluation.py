"""The metrics of a split besides loss and top1: those of `learner.metrics`, through torchmetrics.

What a model says of every image of a split is kept on the device as it comes, and measured once, when the split is
through: no step waits for the device, and a metric of whoever's making may do as it likes. torchmetrics takes seconds
to import, so it is imported where a metric is on.
"""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from sesemi_search.config.targets import instantiate
from sesemi_search.errors import ConfigError, Problem, describe_exception, suggest, user_code
from sesemi_search.metrics import METRICS, METRICS_KEY, SPLIT_METRICS, Objective, is_more_better, measured_names
from sesemi_search.training.build import open_arguments

if TYPE_CHECKING:
    from torchmetrics import Metric

__all__ = [
    "Predictions",
    "SplitMetrics",
    "check_metrics",
    "describe_absent",
    "note_direction",
    "settle_metrics",
]

_DIRECTION = "higher_is_better"
_ROWS = 8192  # images at a time: of 1,000 classes, some metrics need 64 MB for them
_PER_CLASS = ("balanced_accuracy", "auroc")  # without a value for a class that has no images
_BEST_METRIC_KEY = "run.best_metric"


class Predictions:
    """The logits of every image of a split, in the order in which they come, on the device.

    A recorded step adds to the tensors that it was recorded with, and counts the rows on the device.

    Args:
        num_images: N, the images of the split.
        num_classes: K.
        device: Where the logits are.
    """

    def __init__(self, num_images: int, num_classes: int, device: torch.device) -> None:
        self._logits = torch.zeros((num_images, num_classes), device=device)
        self._num_rows = torch.zeros((), device=device, dtype=torch.int64)

    def clear(self) -> None:
        """Begins anew, in the same tensors."""
        self._num_rows.zero_()

    def add(self, logits: Tensor) -> None:
        """Adds the logits (B, K) of a batch."""
        rows = self._num_rows + torch.arange(len(logits), device=logits.device)
        self._logits.index_copy_(0, rows, logits.detach().float())
        self._num_rows += len(logits)

    def probabilities(self) -> Tensor:
        """Returns the softmax of all logits, (N, K) float32."""
        return self._logits.softmax(dim=1)


class SplitMetrics:
    """The metrics of `learner.metrics` that are switched on.

    Args:
        metrics: `learner.metrics`, resolved.
        num_classes: K.
        device: Where they are computed.

    Raises:
        ConfigError: One cannot be built, or is no metric of torchmetrics.
    """

    def __init__(self, metrics: Mapping[str, Any], num_classes: int, device: torch.device) -> None:
        names = measured_names(metrics)
        self._metrics = {name: _build(name, metrics[name], num_classes).to(device) for name in names}

    def __len__(self) -> int:
        """The number of metrics that are on."""
        return len(self._metrics)

    def measure(self, probabilities: Tensor, labels: npt.NDArray[np.int64], split: str) -> dict[str, float]:
        """Returns every metric of a split, by `<split>/<name>`.

        Args:
            probabilities: (N, K) what the model gives the classes of each image, on the device.
            labels: (N,) the images' classes.
            split: Its name.
        """
        on_device = torch.tensor(labels, device=probabilities.device)
        return {f"{split}/{name}": _compute(each, probabilities, on_device) for name, each in self._metrics.items()}

    def missing(self, split: str) -> dict[str, float]:
        """Returns NaN for every metric: what there is to say of a model whose loss is no number."""
        return {f"{split}/{name}": float("nan") for name in self._metrics}


def _build(name: str, setting: Any, num_classes: int) -> "Metric":
    """Builds a metric; a node of one gets `num_classes` where its target takes it and the node leaves it open."""
    from torchmetrics import Metric, classification

    options: dict[str, tuple[type[Metric], dict[str, Any]]] = {
        "top5": (classification.MulticlassAccuracy, {"top_k": 5, "average": "micro"}),
        # A value for each class, to be averaged over those that have images, as scikit-learn does.
        "balanced_accuracy": (classification.MulticlassRecall, {"average": None}),
        "auroc": (classification.MulticlassAUROC, {"average": None}),
        "macro_f1": (classification.MulticlassF1Score, {"average": "macro"}),
        "calibration_error": (classification.MulticlassCalibrationError, {"n_bins": 15, "norm": "l1"}),
    }
    if name in options:
        built_in, arguments = options[name]
        # Checking arguments would look at the values, and wait for the device.
        return built_in(num_classes=num_classes, validate_args=False, **arguments)
    key = f"{METRICS_KEY}.{name}"
    node = _without_direction(setting)
    metric = instantiate(node, key, **open_arguments(node, key, {"num_classes": num_classes}))
    if not isinstance(metric, Metric):
        raise ConfigError(key, f"{node['_target_']} gave a {type(metric).__name__}; it takes a torchmetrics.Metric.")
    return metric


def _without_direction(node: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a node as its target takes it."""
    return {name: value for name, value in node.items() if name != _DIRECTION}


def _compute(metric: "Metric", probabilities: Tensor, labels: Tensor) -> float:
    """Returns a metric's number; of one that gives a number for each class, the mean over the classes with images."""
    metric.reset()
    with warnings.catch_warnings():
        # At every epoch anew, of a class without images, which is said once at the start.
        warnings.simplefilter("ignore")
        for start in range(0, len(labels), _ROWS):
            metric.update(probabilities[start : start + _ROWS], labels[start : start + _ROWS])
        value = torch.as_tensor(metric.compute())
    metric.reset()  # some keep all that they were given
    if value.ndim:
        value = value[torch.bincount(labels, minlength=len(value)) > 0].mean()
    return float(value)


def settle_metrics(config: DictConfig, *names: str | None) -> None:
    """Switches on the built-in metrics that are named, and notes of a custom one whether more of it is better.

    Args:
        config: A composed config, its number of classes settled; changed in place.
        names: Of objectives, as they are reported, `val/macro_f1`; None is passed over.

    Raises:
        ConfigError: A custom one cannot be built, to be asked.
    """
    for name in names:
        split, _, last = str(name).partition("/")
        if split != "val":
            continue
        setting = config.learner.metrics.get(last)
        if last in SPLIT_METRICS and not setting:
            OmegaConf.update(config, f"{METRICS_KEY}.{last}", True, force_add=True)
        elif isinstance(setting, DictConfig) and setting.get(_DIRECTION) is None:
            node: Any = OmegaConf.to_container(setting, resolve=True)
            direction = _build(last, node, config.learner.hparams.num_classes).higher_is_better
            if direction is not None:
                note_direction(config, Objective(str(name), direction))


def note_direction(config: DictConfig, objective: Objective) -> None:
    """Notes of an objective, where it is a custom metric, whether more of it is better.

    Args:
        config: Changed in place.
        objective: The objective.
    """
    split, _, last = objective.name.partition("/")
    key = f"{METRICS_KEY}.{last}"
    if split == "val" and isinstance(OmegaConf.select(config, key), DictConfig):
        OmegaConf.update(config, f"{key}.{_DIRECTION}", objective.maximize, force_add=True)


def check_metrics(metrics: Mapping[str, Any], num_classes: int, best_metric: str | None) -> list[Problem]:
    """Returns what is wrong with `learner.metrics` and `run.best_metric`; custom metrics are given random labels."""
    problems: list[Problem] = []
    for name in metrics:
        try:
            _check(name, metrics[name], num_classes)
        except ConfigError as error:
            problems += error.problems
    return problems + _check_best(best_metric, metrics)


def _check(name: str, setting: Any, num_classes: int) -> None:
    """Sees that one entry of `learner.metrics` names a metric, and that the metric measures.

    Raises:
        ConfigError: It does not.
    """
    key = f"{METRICS_KEY}.{name}"
    if not name.isidentifier() or name in ("loss", "top1"):
        text = f"got the name {name!r}; it takes letters, digits and underscores, and loss and top1 are always there."
        raise ConfigError(key, text)
    if name in SPLIT_METRICS and not isinstance(setting, bool | None):
        raise ConfigError(key, f"got {setting!r}; it takes true or false. A metric of another kind has another name.")
    if name not in SPLIT_METRICS and not (setting is None or isinstance(setting, Mapping)):
        there_are = f"it takes a mapping with a _target_; by name there are {', '.join(SPLIT_METRICS)}"
        raise ConfigError(key, f"got {setting!r}; {there_are}.{suggest(name, SPLIT_METRICS)}")
    if name == "top5" and setting and num_classes <= 5:
        raise ConfigError(key, f"got true with {num_classes} classes, of which any five are all; it takes six or more.")
    if isinstance(setting, Mapping):
        _try(name, setting, num_classes)


def _try(name: str, node: Mapping[str, Any], num_classes: int) -> None:
    """Builds a custom metric and has it measure random answers.

    Raises:
        ConfigError: It cannot be built, raises, or gives neither a number nor one for each class.
    """
    key = f"{METRICS_KEY}.{name}"
    target = node.get("_target_")
    if not isinstance(node.get(_DIRECTION), bool | None):
        raise ConfigError(f"{key}.{_DIRECTION}", f"got {node[_DIRECTION]!r}; it takes true or false.")
    metric = _build(name, node, num_classes)
    labels = torch.arange(4 * num_classes) % num_classes
    probabilities = torch.randn((len(labels), num_classes)).softmax(dim=1)
    try:
        with user_code():
            metric.update(probabilities, labels)
            value = metric.compute()
        shape = torch.as_tensor(value).shape
    except Exception as error:
        given = f"probabilities {tuple(probabilities.shape)} and labels {tuple(labels.shape)}"
        raise ConfigError(key, f"{target} fails on {given}: {describe_exception(error)}") from error
    if shape not in ((), (num_classes,)):
        found = f"numbers of shape {tuple(shape)}"
        raise ConfigError(key, f"{target} gives {found}; it takes one number, or one for each class.")


def _check_best(name: str | None, metrics: Mapping[str, Any]) -> list[Problem]:
    if name is None:
        return []
    known = [each for each in METRICS if each.startswith("val/") and "best" not in each]
    known += [f"val/{each}" for each in dict.fromkeys([*SPLIT_METRICS, *measured_names(metrics)])]
    if name not in known:
        return [Problem(_BEST_METRIC_KEY, f"got {name!r}; it takes one of {', '.join(known)}.{suggest(name, known)}")]
    if is_more_better(name, metrics) is None:
        key = f"{METRICS_KEY}.{name.removeprefix('val/')}.{_DIRECTION}"
        return [Problem(_BEST_METRIC_KEY, f"got {name!r}, whose class does not say whether more is better; set {key}.")]
    return []


def describe_absent(
    split: str, labels: npt.NDArray[np.int64], metrics: Mapping[str, Any], num_classes: int
) -> str | None:
    """Returns a line for the user where a metric that is a mean over classes leaves some out, None where none does.

    Raises:
        ConfigError: There is a metric that one class alone does not have.
    """
    per_class = [name for name in measured_names(metrics) if name in _PER_CLASS]
    absent = num_classes - len(np.unique(labels))
    if not per_class or not absent:
        return None
    if absent == num_classes - 1 and "auroc" in per_class:
        raise ConfigError(f"{METRICS_KEY}.auroc", f"got true, but the {split} split is of one class; it takes two.")
    names, are = " and ".join(f"{split}/{name}" for name in per_class), "are means" if per_class[1:] else "is the mean"
    return f"the {split} split has no image of {absent} of the {num_classes} classes: {names} {are} over the others"
