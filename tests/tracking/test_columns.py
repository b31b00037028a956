"""Names under which W&B compares runs."""

from typing import Any

import pytest

from sesemi_search.tracking.columns import column_name, experiment_facts, node_label


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("learner.hparams.optimizer.lr", "lr"),
        ("learner.hparams.optimizer.betas.0", "betas/0"),
        ("learner.hparams.optimizer.choice", "optimizer/choice"),
        ("learner.hparams.model.head.choice", "head/choice"),
        ("learner.hparams.model.head.scale", "head/scale"),
        ("learner.hparams.lr_scheduler.scheduler.power", "lr_scheduler/scheduler/power"),
        ("learner.hparams.choice", "choice"),
        ("run.batch_size_per_gpu", "batch_size_per_gpu"),
        ("run.num_epochs", "num_epochs"),
        ("data.mean.0", "data/mean/0"),
    ],
)
def test_sections_that_go_without_saying_are_left_out(key: str, name: str) -> None:
    assert column_name(key) == name


@pytest.mark.parametrize("argument", ["head", "seed", "num_params", "model", "lr_scheduler.x", "choice"])
def test_an_argument_with_the_name_of_another_column_keeps_its_section(argument: str) -> None:
    assert column_name(f"learner.hparams.optimizer.{argument}") == f"optimizer/{argument}".replace(".", "/")


def test_an_experiment_is_told_by_its_parts_and_what_is_no_part_is_left_out() -> None:
    model: dict[str, Any] = {"backbone": {"_target_": "a.b.LeNet5"}, "head": "${elsewhere}"}
    config = {"run": {"seed": 1, "num_epochs": 2}, "learner": {"hparams": {"model": model}}}
    assert experiment_facts(config) == {"backbone": "LeNet5", "seed": 1, "num_epochs": 2}


@pytest.mark.parametrize(
    ("node", "label"),
    [({"_target_": "a.Timm", "name": "resnet10t"}, "resnet10t"), ({"_target_": 3}, None), (None, None)],
)
def test_a_model_of_a_library_is_called_by_its_name(node: Any, label: str | None) -> None:
    assert node_label(node) == label
