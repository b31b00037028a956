"""What the objectives of a search settle: the metrics that they switch on, their directions, the best epoch."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import plain, written_experiment
from sesemi_search.data import LabelledImages
from sesemi_search.errors import ConfigError
from sesemi_search.metrics import Objective
from sesemi_search.search.fingerprint import define_search, find_changes
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.records import Outcome, TrialReport
from sesemi_search.search.plan import describe_uneven, make_plan
from sesemi_search.search.preparation import Prepared, prepare
from tests.search.told_search import metrics, open_session

KAPPA = "learner.metrics.kappa={_target_: torchmetrics.classification.MulticlassCohenKappa}"
MEAN = "learner.metrics.own={_target_: torchmetrics.MeanMetric}"  # which says of nothing that it is better


@pytest.fixture
def compose(project: Path) -> Callable[..., Prepared]:
    def compose(*overrides: str) -> Prepared:
        return prepare(compose_config(Request(search=True, overrides=["space=tiny", *overrides], project=project)))

    return compose


def test_an_objective_switches_its_metric_on(compose: Callable[..., Prepared]) -> None:
    config = compose("search.metric=val/macro_f1", "learner.metrics.auroc=true").config
    assert OmegaConf.to_container(config.learner.metrics) == {"auroc": True, "macro_f1": True}
    assert (config.search.mode, config.run.best_metric) == ("max", "val/macro_f1")


def test_of_top1_nothing_but_the_mode_is_settled(compose: Callable[..., Prepared]) -> None:
    config = compose().config
    assert plain(config)["learner"]["metrics"] == {}
    assert (config.search.mode, config.run.best_metric) == ("max", None)


def test_what_a_custom_metric_says_of_its_direction_is_kept(compose: Callable[..., Prepared]) -> None:
    config = compose(KAPPA, "search.metric=[epoch_seconds,val/kappa,val/calibration_error,flops]").config
    assert config.search.mode == ["min", "max", "min", "min"]
    assert config.learner.metrics.kappa.higher_is_better is True
    assert config.run.best_metric == "val/kappa"


def test_a_mode_says_it_of_a_metric_that_does_not(compose: Callable[..., Prepared]) -> None:
    config = compose(MEAN, "search.metric=val/own", "search.mode=min").config
    assert config.learner.metrics.own.higher_is_better is False
    config = compose(MEAN, "search.metric=val/own", "learner.metrics.own.higher_is_better=false").config
    assert config.search.mode == "min"


def test_a_class_that_is_another_is_another_search(compose: Callable[..., Prepared]) -> None:
    def definition(*overrides: str) -> dict[str, object]:
        experiment = written_experiment(compose(*overrides, "search.metric=val/kappa").config)
        return define_search(experiment, {}, "val/kappa", "max")

    before = definition(KAPPA)
    assert list(find_changes(before, definition(KAPPA, "learner.metrics.auroc=true"))) == []
    (change,) = find_changes(before, definition(KAPPA, "learner.metrics.kappa.weights=linear"))
    assert change == "learner.metrics.kappa.weights: is new, 'linear'"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["search.metric=val/f1_macro"], r"search\.metric: .* Did you mean 'val/macro_f1'\? \(command line\)"),
        (["learner.metrics.f1_macro=true"], r"learner\.metrics\.f1_macro: .*'macro_f1'\? \(command line\)"),
        ([MEAN, "search.metric=val/own"], r"search\.mode: missing; val/own does not say"),
        ([MEAN], r"learner\.metrics\.own: torchmetrics\.MeanMetric fails on probabilities \(40, 10\)"),
        (["search.metric=val/auroc", "search.mode=min"], r"got 'min' for val/auroc, .* set search\.mode=max"),
        (["+space.learner.metrics.auroc={choice: [true, false]}"], "is the same for every trial of a search"),
        (["run.best_metric=val/auroc1"], r"run\.best_metric: .* Did you mean 'val/auroc'"),
    ],
)
def test_a_mistake_is_found_before_anything_starts(overrides: list[str], words: str, project: Path) -> None:
    request = Request(search=True, overrides=["space=tiny", *overrides], project=project)
    with pytest.raises(ConfigError) as error:
        make_plan(compose_config(request))
    assert re.search(words, str(error.value)), error.value


def test_a_trial_whose_metric_is_no_number_at_its_end_fails_alone(project: Path, tmp_path: Path) -> None:
    overrides = ("search.metric=val/macro_f1", "search/pruner=none")
    session, ledger = open_session(project, tmp_path / "search", *overrides)
    for value in (math.nan, 0.5):
        number = session.next_trial()
        assert isinstance(number, int)
        for epoch in (1, 2):
            assert session.epoch_ended(TrialReport(number, epoch, metrics(0.5) | {"val/macro_f1": math.nan}))
        last = metrics(0.5) | {"val/macro_f1": value}
        session.trial_ended(TrialReport(number, 3, last, Outcome.complete))
    first, second = ledger.records()
    assert (first.outcome, second.outcome) == (Outcome.error, Outcome.complete)
    assert first.message == "val/macro_f1: no finite number after the last epoch"
    assert session.stop is None


def test_small_classes_are_told_where_top1_judges() -> None:
    labels = np.repeat([0, 1, 2], [500, 100, 20])
    train = LabelledImages(np.zeros((620, 1, 1, 1), np.uint8), labels)
    line = describe_uneven(Objectives((Objective("val/top1", True),)), train)
    assert line is not None
    assert "class 2 has 20 training images and class 0 500: top1 says little" in line
    assert describe_uneven(Objectives((Objective("val/macro_f1", True),)), train) is None
    assert describe_uneven(Objectives((Objective("val/top1", True),)), train.select(np.arange(450, 620))) is None
