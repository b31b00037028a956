"""The metrics of `learner.metrics`: their values, what they leave alone, and what is wrong with them."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.metrics
import torch
import torchmetrics
from torch import Tensor, nn

from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.data import Images, InMemoryImages, LabelledImages, Preparation, StreamedImages
from sesemi_search.errors import ConfigError
from sesemi_search.metrics import SPLIT_METRICS
from sesemi_search.training import Diverged, Fit
from sesemi_search.training.evaluation import Predictions, SplitMetrics, check_metrics, describe_absent

ALL = dict.fromkeys(SPLIT_METRICS, True)
KAPPA = {"_target_": "torchmetrics.classification.MulticlassCohenKappa"}
CPU = torch.device("cpu")


class Answers(nn.Module):
    """Gives the logits (N, K) that it was made with, in their order, whatever the images are."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits
        self.num_given = 0

    def forward(self, images: Tensor) -> Tensor:
        self.num_given += len(images)
        return self.logits[self.num_given - len(images) : self.num_given]


class Raises(torchmetrics.MeanMetric):
    def update(self, preds: Tensor, labels: Tensor) -> None:
        raise ValueError("no such answers")


class Confusion(torchmetrics.classification.MulticlassConfusionMatrix):
    pass


class Undirected(torchmetrics.classification.MulticlassCohenKappa):
    higher_is_better = None


def by_sklearn(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> dict[str, float]:
    """Returns every built-in metric, the calibration error by its definition (Guo et al. 2017, 15 bins)."""
    num_classes, chosen = probabilities.shape[1], probabilities.argmax(1)
    present = [k for k in range(num_classes) if (labels == k).any()]
    with np.errstate(invalid="ignore"):
        bins = np.clip(np.ceil(probabilities.max(1) * 15).astype(int) - 1, 0, 14)
    gaps = [
        abs((chosen[bins == b] == labels[bins == b]).mean() - probabilities.max(1)[bins == b].mean())
        * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return {
        "top5": sklearn.metrics.top_k_accuracy_score(labels, probabilities, k=5, labels=range(num_classes)),
        "balanced_accuracy": float(np.mean([(chosen[labels == k] == k).mean() for k in present])),
        "macro_f1": sklearn.metrics.f1_score(labels, chosen, average="macro", zero_division=0),
        "auroc": float(np.mean([sklearn.metrics.roc_auc_score(labels == k, probabilities[:, k]) for k in present])),
        "calibration_error": sum(gaps),
    }


@pytest.mark.parametrize("is_streamed", [False, True])
def test_values_are_those_of_sklearn_on_both_data_paths(
    is_streamed: bool, digits: dict[str, LabelledImages], experiment: ExperimentConfig
) -> None:
    opened: type[Images] = StreamedImages if is_streamed else InMemoryImages
    images = opened(digits["val"], Preparation([0.1307] * 3, [0.3081] * 3, 3))  # type: ignore[call-arg]
    experiment.learner.metrics = {**ALL, "kappa": KAPPA, "off": None}
    fit = Fit(experiment, images, images)
    logits = 2 * torch.randn((len(images), 10), generator=torch.Generator().manual_seed(0))
    scores = fit.evaluate(images, "test", Answers(logits))
    expected = by_sklearn(logits.softmax(1).numpy(), images.labels)
    expected["kappa"] = sklearn.metrics.cohen_kappa_score(images.labels, logits.argmax(1))
    assert scores.keys() == {"test/loss", "test/top1", *(f"test/{name}" for name in expected)}
    for name, value in expected.items():
        assert scores[f"test/{name}"] == pytest.approx(value, abs=1e-6), name


def measure(logits: Tensor, labels: npt.NDArray[np.int64], **metrics: Any) -> dict[str, float]:
    """Measures a split, whose logits come in two batches."""
    num_classes = logits.shape[1]
    predictions = Predictions(len(logits), num_classes, CPU)
    for _ in range(2):  # as at a second epoch
        predictions.clear()
        predictions.add(logits[:30])
        predictions.add(logits[30:])
    measured = SplitMetrics(metrics, num_classes, CPU).measure(predictions.probabilities(), labels, "val")
    return {name.removeprefix("val/"): value for name, value in measured.items()}


def test_a_class_without_images_is_left_out_of_the_means() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 3, 4, 5, 6], 50)
    logits = torch.from_numpy(rng.normal(size=(50, 7))).float()
    measured = measure(logits, labels, **ALL)
    expected = by_sklearn(logits.softmax(1).numpy(), labels)
    assert measured == pytest.approx(expected, abs=1e-6)


def test_two_classes_are_measured_as_sklearn_does() -> None:
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 2, 50), torch.from_numpy(rng.normal(size=(50, 2))).float()
    measured = measure(logits, labels, auroc=True, macro_f1=True, balanced_accuracy=True)
    chosen, probabilities = logits.argmax(1), logits.softmax(1)
    assert measured["auroc"] == pytest.approx(sklearn.metrics.roc_auc_score(labels, probabilities[:, 1]), abs=1e-6)
    assert measured["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(labels, chosen, average="macro"), abs=1e-6)
    balanced = sklearn.metrics.balanced_accuracy_score(labels, chosen)
    assert measured["balanced_accuracy"] == pytest.approx(balanced, abs=1e-6)


def test_measuring_changes_no_other_number(experiment: ExperimentConfig, build_fit: Callable[..., Fit]) -> None:
    plain = build_fit(experiment)
    experiment.learner.metrics = {**ALL, "kappa": KAPPA}
    measuring = build_fit(experiment)
    for _ in range(2):
        without, numbers = plain.train_epoch(), measuring.train_epoch()
        assert without.keys() < numbers.keys()
        assert {name for name in without if without[name] != numbers[name]} <= {"epoch_seconds"}
    resumed = build_fit(experiment)
    resumed.load_state_dict(copy.deepcopy(plain.state_dict()))
    assert resumed.train_epoch()["val/kappa"] == measuring.train_epoch()["val/kappa"]


def test_metrics_are_those_of_the_average_of_the_weights(
    experiment: ExperimentConfig, build_fit: Callable[..., Fit]
) -> None:
    experiment.learner.metrics, experiment.learner.hparams.model.ema.decay = ALL, 0.9
    fit = build_fit(experiment)
    numbers = fit.train_epoch()
    averaged = fit.evaluate(fit._val, "val", fit.eval_model)
    own = fit.evaluate(fit._val, "val", fit.model)
    assert {name: numbers[name] for name in averaged} == averaged
    assert own["val/calibration_error"] != averaged["val/calibration_error"]


def test_metrics_of_a_diverged_epoch_are_no_numbers(
    experiment: ExperimentConfig, build_fit: Callable[..., Fit]
) -> None:
    experiment.learner.metrics = ALL
    experiment.learner.hparams.optimizer["lr"] = 1e30
    with pytest.raises(Diverged) as error:
        build_fit(experiment).train_epoch()
    assert np.isnan([error.value.metrics[f"val/{name}"] for name in ALL]).all()


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"f1_macro": True}, ["learner.metrics.f1_macro", "macro_f1, auroc", "Did you mean 'macro_f1'?"]),
        ({"top1": True}, ["loss and top1 are always there"]),
        ({"a/b": KAPPA}, ["got the name 'a/b'"]),
        ({"macro_f1": KAPPA}, ["takes true or false"]),
        ({"top5": True}, ["got true with 5 classes"]),
        ({"own": {"_target_": f"{__name__}.Raises"}}, ["learner.metrics.own", "Raises fails on", "no such answers"]),
        ({"own": {"_target_": f"{__name__}.Confusion"}}, ["gives numbers of shape (5, 5)", "one for each class"]),
        ({"own": {"_target_": "torch.nn.Identity"}}, ["gave a Identity; it takes a torchmetrics.Metric"]),
        ({"own": {**KAPPA, "weight": "none"}}, ["Unexpected keyword arguments: `weight`"]),
        ({"own": {"_target_": "torchmetrics.classification.Kappa"}}, ["does not exist"]),
        ({"own": {"num_classes": 5}}, ["learner.metrics.own._target_: got None; it takes the dotted path"]),
        ({"own": {**KAPPA, "higher_is_better": "yes"}}, ["learner.metrics.own.higher_is_better: got 'yes'"]),
    ],
)
def test_mistakes_say_what_is_allowed(metrics: dict[str, Any], words: list[str]) -> None:
    (problem,) = check_metrics(metrics, 5, None)
    for word in words:
        assert word in str(problem)


def test_a_metric_for_each_class_and_one_of_a_factory_are_taken() -> None:
    metrics = {
        "recall": {"_target_": "torchmetrics.classification.MulticlassRecall", "average": None},
        "kappa": {"_target_": "torchmetrics.CohenKappa", "task": "multiclass"},
    }
    assert check_metrics(metrics, 5, None) == []


@pytest.mark.parametrize(
    ("best_metric", "words"),
    [
        ("val/macro_f2", "Did you mean 'val/macro_f1'?"),
        ("val/own", "learner.metrics.own.higher_is_better"),
        ("train/loss", "it takes one of val/loss, val/top1, "),
    ],
)
def test_the_best_epoch_is_the_best_by_what_has_a_direction(best_metric: str, words: str) -> None:
    own = {"_target_": f"{__name__}.Undirected"}
    (problem,) = check_metrics({"own": own}, 5, best_metric)
    assert problem.key == "run.best_metric"
    assert words in problem.text
    assert check_metrics({"own": {**own, "higher_is_better": True}}, 5, "val/own") == []


def test_absent_classes_are_told_where_a_metric_leaves_them_out() -> None:
    labels = np.array([0, 1, 1, 4])
    line = describe_absent("val", labels, {"auroc": True, "balanced_accuracy": True}, 5)
    assert line is not None
    assert "no image of 2 of the 5 classes: val/auroc and val/balanced_accuracy are means over the others" in line
    assert describe_absent("val", labels, {"macro_f1": True, "auroc": False}, 5) is None
    with pytest.raises(ConfigError, match="the val split is of one class"):
        describe_absent("val", np.array([1, 1]), {"auroc": True}, 5)
