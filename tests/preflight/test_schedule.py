"""What is said of learning rates before a run: 1,000 images in batches of 64, 15 steps an epoch, 3 epochs."""

from collections.abc import Callable

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import Complete, resolve, written_experiment
from sesemi_search.errors import ConfigError
from sesemi_search.models.expected_input import follow_backbone
from sesemi_search.preflight.branches import Checked, check_experiment
from sesemi_search.preflight.schedule import Schedule, Schedules
from sesemi_search.project.project import activate

KEY = "learner.hparams.lr_scheduler"
TORCH = "torch.optim.lr_scheduler"
Check = Callable[..., Checked]


def complete(*overrides: str) -> Complete:
    composed = compose_config(Request(search=False, config_name="mnist_lenet5_cosine", overrides=overrides))
    activate(composed.project)
    written = written_experiment(composed.config)
    return follow_backbone(written, resolve(written))


def check_schedule(*overrides: str, num_images: int | None = None) -> Schedule:
    return Schedules(num_images).check(complete(*overrides))


def node(scheduler: str, *more: str, epochs: int = 3, images: int = 1000) -> list[str]:
    data = f"data.test_size={5000 - 500 - images}"
    run = [f"run.num_epochs={epochs}", "run.batch_size_per_gpu=64", "data=mnist5k", "data.val_size=500", data]
    return [f"++{KEY}.scheduler={{_target_: {TORCH}.{scheduler}}}", *run, *more]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (node("StepLR, step_size: 2, gamma: 0.1"), "is next to nothing from epoch 1 of 3 on"),
        (node("OneCycleLR, max_lr: 0.1, total_steps: 1000"), "still rises when the run ends"),
        (node("LinearLR, start_factor: 0.01, total_iters: 500"), "still rises when the run ends"),
        (node("CosineAnnealingLR, T_max: 1000"), "hardly falls in this run, from 0.1 to 0.09"),
        (node("StepLR, step_size: 30", f"{KEY}.interval=epoch"), "hardly falls in this run"),
        (node("ExponentialLR, gamma: 0.05", f"{KEY}.interval=epoch", epochs=9), "next to nothing from epoch 5 of 9 on"),
    ],
)
def test_a_rate_that_is_not_of_the_run_is_a_remark(overrides: list[str], says: str) -> None:
    schedule = check_schedule(*overrides)
    assert not schedule.problems
    (remark,) = map(str, schedule.remarks)
    assert says in remark
    assert remark.startswith(f"{KEY}.scheduler: {TORCH}.")
    assert "interval" in remark


@pytest.mark.parametrize(
    "overrides",
    [
        node("OneCycleLR, max_lr: 0.1, total_steps: 45"),
        node("OneCycleLR, max_lr: 0.1, epochs: '${run.num_epochs}'"),
        node("StepLR, step_size: 15, gamma: 0.1"),
        node("CosineAnnealingLR, T_max: 45"),
        node("CosineAnnealingWarmRestarts, T_0: 15"),
        node("StepLR, step_size: 1", f"{KEY}.interval=epoch"),
        [f"{KEY}.scheduler=null", "data=mnist5k"],
        ["data=mnist5k", "run.num_epochs=30"],
        ["data=mnist5k", "run.num_epochs=100"],
        ["data=mnist", "run.num_epochs=80"],
    ],
)
def test_a_rate_that_fits_the_run_is_passed_in_silence(overrides: list[str]) -> None:
    assert check_schedule(*overrides) == Schedule()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            node("OneCycleLR, max_lr: 0.1, total_steps: 20"),
            f"{KEY}.scheduler: {TORCH}.OneCycleLR raised in epoch 2 of 3 ValueError: Tried to step 21",
        ),
        (
            node("ExponentialLR, gamma: nan"),
            f"{KEY}.scheduler.gamma: got nan; it takes a finite number.",
        ),
        (
            node("PolynomialLR, total_iters: 45, power: -1"),
            f"{KEY}.scheduler: {TORCH}.PolynomialLR ",
        ),
        (["learner.hparams.optimizer.lr=nan"], "learner.hparams.optimizer.lr: got nan; it takes a finite number."),
        (["learner.hparams.optimizer.lr=inf"], "learner.hparams.optimizer.lr: got inf; it takes a finite number."),
        (
            ["learner.hparams.optimizer.lr=nan", f"{KEY}.scheduler=null"],
            "learner.hparams.optimizer.lr: got nan; it takes a finite number.",
        ),
    ],
)
def test_a_rate_that_breaks_off_is_a_problem(overrides: list[str], says: str) -> None:
    (problem,) = map(str, check_schedule(*overrides).problems)
    assert problem.startswith(says)


def test_the_number_of_images_counts_where_the_source_does_not_say_it() -> None:
    folder = ["data=image_folder", "data.source.folder=x", "data.image_size=32", "learner.hparams.num_classes=10"]
    overrides = [f"++{KEY}.scheduler={{_target_: {TORCH}.StepLR, step_size: 3}}", "run.num_epochs=3", *folder]
    assert check_schedule(*overrides) == Schedule()
    assert check_schedule(*overrides, num_images=5000).remarks


def test_the_check_of_a_space_tells_of_them_by_branch(check: Check) -> None:
    names = "fits: {_target_: torch.optim.lr_scheduler.StepLR, step_size: 15}"
    names += ", over: {_target_: torch.optim.lr_scheduler.StepLR, step_size: 1}"
    names += ", raises: {_target_: torch.optim.lr_scheduler.OneCycleLR, max_lr: 0.1, total_steps: 9}"
    checked = check(f"space.{KEY}.scheduler={{choice: {{{names}}}}}")
    for branch in checked.branches:
        option = branch.choices[f"{KEY}.scheduler"]
        assert [bool(end.remarks) for end in branch.ends] == [option == "over"] * 2
        assert bool(branch.problems) is (option == "raises")
    (problem,) = map(str, checked.describe_problems())
    assert problem.startswith(f"space.{KEY}.scheduler.choice.raises")


def test_an_experiment_that_is_trained_is_told_of_it() -> None:
    config = complete(*node("StepLR, step_size: 3, gamma: 0.1"))
    assert any("next to nothing" in note for note in check_experiment(config))
    config["learner"]["hparams"]["optimizer"]["lr"] = float("nan")
    with pytest.raises(ConfigError, match="got nan"):
        check_experiment(config)
