"""Weights of the classes in the loss."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.errors import ConfigError
from sesemi_search.training import Fit, build_loss
from sesemi_search.training.build import class_weights

LOSS = {"_target_": "torch.nn.CrossEntropyLoss"}


def test_balanced_ones_make_each_class_weigh_the_same() -> None:
    labels = np.repeat(np.arange(4), [50, 30, 15, 5])
    weights = class_weights("balanced", labels, 5)
    assert weights is not None
    sums = np.bincount(labels, weights=weights.numpy()[labels])
    assert sums == pytest.approx([20] * 4)
    assert weights[4] == 1


def test_none_and_a_list_are_what_they_say() -> None:
    assert class_weights(None, np.zeros(3, np.int64), 2) is None
    weights = class_weights([1, 2.5], np.zeros(3, np.int64), 2)
    assert weights is not None
    assert weights.tolist() == [1, 2.5]


def test_the_loss_weighs_by_class() -> None:
    logits, labels = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 2] * 2)
    weights = torch.tensor([1.0, 2.0, 4.0])
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none") * weights[labels]
    assert torch.allclose(build_loss(LOSS, weights)(logits, labels), each.sum() / weights[labels].sum())


def test_a_loss_that_takes_none_is_told_so() -> None:
    with pytest.raises(ConfigError, match="SmoothL1Loss does not accept 'weight'"):
        build_loss({"_target_": "torch.nn.SmoothL1Loss"}, torch.ones(3))


def test_a_fit_trains_with_them(experiment: ExperimentConfig, build_fit: Callable[[ExperimentConfig], Fit]) -> None:
    plain = build_fit(experiment).train_epoch()
    experiment.data.class_weights = [1.0] * 10
    assert build_fit(experiment).train_epoch()["val/top1"] == plain["val/top1"]
    experiment.data.class_weights = [1.0] * 9 + [50.0]
    assert build_fit(experiment).train_epoch()["train/loss"] != plain["train/loss"]
