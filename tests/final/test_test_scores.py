"""The scores of the test split, held against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from sesemi_search.final.intervals import wilson_interval
from sesemi_search.final.test_scores import score


def test_scores_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(5), size=300), rng.integers(0, 5, size=300)
    answers = probabilities.argmax(axis=1)
    scores = score(probabilities, labels)
    assert scores.top1 == metrics.accuracy_score(labels, answers)
    assert scores.macro_f1 == pytest.approx(metrics.f1_score(labels, answers, average="macro"))
    assert scores.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(labels, answers))
    assert scores.confusion == metrics.confusion_matrix(labels, answers).tolist()
    assert scores.per_class == pytest.approx(metrics.recall_score(labels, answers, average=None))
    assert scores.interval == wilson_interval(int((answers == labels).sum()), 300)


def test_a_class_without_images_has_no_share_and_counts_in_no_mean() -> None:
    scores = score(np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]), np.array([0, 1]))
    assert scores.per_class == [1.0, 1.0, None]
    assert (scores.balanced_accuracy, scores.macro_f1) == (1.0, 1.0)


def test_calibration_error_is_the_distance_of_confidence_from_accuracy() -> None:
    # Ten answers of confidence 0.75 of which 6 are right, ten of 0.95 that are all right.
    probabilities = np.array([[0.75, 0.25]] * 10 + [[0.95, 0.05]] * 10)
    labels = np.array([0] * 6 + [1] * 4 + [0] * 10)
    assert score(probabilities, labels).calibration_error == pytest.approx((0.15 + 0.05) / 2)
