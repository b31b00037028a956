"""Rates of whole runs, step by step."""

import logging
import math

import pytest
import torch
from torch import nn

from sesemi_search.config.schema import Interval
from sesemi_search.errors import ConfigError
from sesemi_search.training import build_lr_scheduler, build_optimizer
from sesemi_search.training.lr_schedules import _say_clipped

POLYNOMIAL = {"_target_": "sesemi_search.training.lr_schedules.PolynomialLR"}
COSINE = {"_target_": "sesemi_search.training.lr_schedules.cosine_lr"}


@pytest.fixture
def optimizer() -> torch.optim.Optimizer:
    return build_optimizer({"_target_": "torch.optim.SGD", "lr": 0.1}, nn.Linear(2, 2).parameters())


@pytest.fixture(autouse=True)
def _say_again() -> None:
    _say_clipped.cache_clear()


def rates(optimizer: torch.optim.Optimizer, node: dict, per_epoch: int, epochs: int, **options: object) -> list[float]:
    """Returns the rate of every optimizer step of a run that steps its schedule after each."""
    scheduler = build_lr_scheduler(node, optimizer, per_epoch, epochs, **options)
    assert scheduler is not None
    found = []
    for _ in range(per_epoch * epochs + 2):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_polynomial_has_the_tutorials_rates(optimizer: torch.optim.Optimizer) -> None:
    found = rates(optimizer, POLYNOMIAL, per_epoch=60_000 // 128, epochs=100)
    assert found[0] == 0.001
    assert found[4680] == 0.1
    assert found[25740] == pytest.approx(0.1 * math.sqrt(0.5))
    assert found[46799] == pytest.approx(0.000487, abs=5e-7)
    assert found[46800:] == [0.0, 0.0]


def test_polynomial_warms_up_in_a_straight_line(optimizer: torch.optim.Optimizer) -> None:
    found = rates(optimizer, {**POLYNOMIAL, "warmup_epochs": 2, "warmup_lr": 0.02}, per_epoch=4, epochs=5)
    assert found[:9] == pytest.approx([0.02 + 0.01 * step for step in range(9)])
    assert found[9] < 0.1


def test_polynomial_without_warm_up_begins_at_the_optimizers_rate(optimizer: torch.optim.Optimizer) -> None:
    found = rates(optimizer, {**POLYNOMIAL, "warmup_epochs": 0, "lr_pow": 1.0}, per_epoch=2, epochs=2)
    assert found == pytest.approx([0.1, 0.075, 0.05, 0.025, 0.0, 0.0])


def test_warm_up_longer_than_the_run_is_clipped_and_said_once(
    optimizer: torch.optim.Optimizer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="sesemi_search"):
        found = rates(optimizer, POLYNOMIAL, per_epoch=5, epochs=3)
        build_lr_scheduler(POLYNOMIAL, optimizer, 5, 3)
    assert found[14] == pytest.approx(0.001 + 0.099 * 14 / 15)
    assert found[15] == 0.0
    assert [record.getMessage() for record in caplog.records] == [
        "lr_scheduler: warmup_epochs=10 is more than the run has; the warm-up is clipped to its 3 epochs, "
        "so the rate never decays."
    ]


def test_warm_up_that_fits_is_not_commented_on(
    optimizer: torch.optim.Optimizer, caplog: pytest.LogCaptureFixture
) -> None:
    build_lr_scheduler({**POLYNOMIAL, "warmup_epochs": 3}, optimizer, 5, 3)
    assert not caplog.records


def test_each_parameter_group_keeps_its_own_rate() -> None:
    layers = nn.Linear(2, 2)
    groups = [{"params": [layers.weight], "lr": 0.2}, {"params": [layers.bias], "lr": 0.4}]
    optimizer = torch.optim.SGD(groups)
    build_lr_scheduler({**POLYNOMIAL, "warmup_epochs": 0}, optimizer, 2, 2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.4]


@pytest.mark.parametrize("bad", [{"warmup_epochs": -1}, {"lr_pow": 0}])
def test_numbers_that_make_no_schedule_are_refused(optimizer: torch.optim.Optimizer, bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"lr_scheduler\.scheduler\.{next(iter(bad))}: .*raised ValueError"):
        build_lr_scheduler({**POLYNOMIAL, **bad}, optimizer, 2, 2)


def test_cosine_spans_the_run(optimizer: torch.optim.Optimizer) -> None:
    found = rates(optimizer, COSINE, per_epoch=5, epochs=4)
    assert found[:20] == pytest.approx([0.05 * (1 + math.cos(math.pi * step / 20)) for step in range(20)])


def test_torchs_own_schedule_works_by_target(optimizer: torch.optim.Optimizer) -> None:
    node = {"_target_": "torch.optim.lr_scheduler.MultiStepLR", "milestones": [1, 3], "gamma": 0.1}
    assert rates(optimizer, node, per_epoch=2, epochs=2) == pytest.approx([0.1, 0.01, 0.01, 0.001, 0.001, 0.001])


def test_epochs_and_frequency_are_counted_in_steps_of_the_schedule(optimizer: torch.optim.Optimizer) -> None:
    scheduler = build_lr_scheduler({**POLYNOMIAL, "warmup_epochs": 2}, optimizer, 468, 10, Interval.epoch)
    assert (scheduler.num_steps, scheduler.warmup_steps) == (10, 2)
    scheduler = build_lr_scheduler({**POLYNOMIAL, "warmup_epochs": 2}, optimizer, 8, 10, frequency=4)
    assert (scheduler.num_steps, scheduler.warmup_steps) == (20, 4)


def test_a_number_that_the_node_sets_is_not_overwritten(optimizer: torch.optim.Optimizer) -> None:
    assert build_lr_scheduler({**COSINE, "num_steps": 7}, optimizer, 5, 4).T_max == 7


def test_no_schedule_is_none(optimizer: torch.optim.Optimizer) -> None:
    assert build_lr_scheduler(None, optimizer, 5, 4) is None


def test_a_schedule_that_steps_on_a_metric_is_refused(optimizer: torch.optim.Optimizer) -> None:
    with pytest.raises(ConfigError, match="ReduceLROnPlateau; it takes"):
        build_lr_scheduler({"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau"}, optimizer, 5, 4)
