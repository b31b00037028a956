"""What training builds and which batches it has: the check builds the same and has the same."""

from collections.abc import Callable

import pytest
import torch

from sesemi_search.preflight.branches import Branch, Checked
from sesemi_search.preflight.probe import Probe, undisturbed

MODEL = "learner.hparams.model"
OURS = "faulty.training_batches"
LINEAR = f"space.{MODEL}.head=linear"
SIZE = "run.batch_size_per_gpu"
Check = Callable[..., Checked]


def by_choice(checked: Checked, *names: str) -> dict[tuple[object, ...], Branch]:
    return {tuple(branch.choices[name] for name in names): branch for branch in checked.branches}


def texts(branch: Branch) -> list[str]:
    return [f"{problem.key}: {problem.text}" for problem in branch.problems]


def test_a_head_with_batch_norm_is_bad_with_batches_of_one_image_alone(check: Check) -> None:
    linear = "sesemi_search.models.heads.LinearHead"
    heads = f"{{normed: {{_target_: {OURS}.NormedHead}}, linear: {{_target_: {linear}}}}}"
    branches = by_choice(
        check(f"space.{MODEL}.head={{choice: {heads}}}", f"space.{SIZE}={{choice: [1, 16]}}"), f"{MODEL}.head", SIZE
    )
    assert {key for key, branch in branches.items() if branch.problems} == {("normed", 1)}
    text = texts(branches["normed", 1])[0]
    assert "Expected more than 1 value per channel when training" in text
    assert text.endswith("(found on a batch of 1 image, as training has with this run.batch_size_per_gpu)")


def test_a_loss_over_the_hardest_images_is_given_as_many_as_a_batch_has(check: Check) -> None:
    loss = f"space.{MODEL}.loss={{_target_: {OURS}.HardestLoss, count: 16}}"
    branches = by_choice(check(LINEAR, loss, f"space.{SIZE}={{choice: [8, 64]}}"), SIZE)
    assert texts(branches[(64,)]) == []
    assert {"HardestLoss failed on logits and labels" in text for text in texts(branches[(8,)])} == {True}


def test_a_loss_that_takes_more_images_than_the_last_batch_of_validation_has_is_bad(check: Check) -> None:
    checked = check(LINEAR, f"space.{MODEL}.loss={{_target_: {OURS}.HardestLoss, count: 60}}", "data.val_size=500")
    (text,) = texts(checked.branches[0])
    assert text.endswith("(found on a batch of 52 images, as validation has with this run.batch_size_per_gpu)")


def test_a_last_batch_of_validation_of_one_image_is_tried(check: Check) -> None:
    backbone = f"space.{MODEL}.backbone={{_target_: {OURS}.Squeezed}}"
    assert not check(LINEAR, backbone, "data.val_size=448").bad
    (text, *_) = texts(check(LINEAR, backbone, "data.val_size=449").branches[0])
    assert "(found on a batch of 1 image, as validation has" in text


@pytest.mark.parametrize("weights", ["balanced", "[1,2,3,4,5,6,7,8,9,10]"])
def test_a_loss_with_class_weights_is_built_with_them(check: Check, weights: str) -> None:
    assert not check(LINEAR, f"data.class_weights={weights}").bad


def test_a_loss_that_refuses_class_weights_is_a_mistake_where_there_are_some(check: Check) -> None:
    loss = f"space.{MODEL}.loss={{_target_: {OURS}.UnweightedLoss}}"
    assert not check(LINEAR, loss).bad
    (text,) = texts(check(LINEAR, loss, "data.class_weights=balanced").branches[0])
    assert "raised ValueError: weights are not supported" in text


def test_a_source_that_is_wrong_is_told_once_beside_a_good_model(check: Check) -> None:
    (text,) = texts(check(LINEAR, "++data.source={_target_: faulty.NoSource}").branches[0])
    assert text.startswith("data.source._target_: 'faulty.NoSource' does not exist")


@pytest.fixture(scope="module")
def averaged(check: Check) -> dict[tuple[object, ...], Branch]:
    names = ("LazyNormed", "WeightNormed", "Uncopyable")
    options = ", ".join(f"{name}: {{_target_: {OURS}.{name}}}" for name in names)
    backbone = f"space.{MODEL}.backbone={{choice: {{{options}}}}}"
    decay = f"++space.{MODEL}.ema.decay={{choice: [null, 0.9]}}"
    return by_choice(check(LINEAR, backbone, decay), f"{MODEL}.backbone", f"{MODEL}.ema.decay")


@pytest.mark.parametrize("name", ["LazyNormed", "WeightNormed"])
def test_lazy_and_weight_normed_modules_have_an_average(name: str, averaged: dict[tuple[object, ...], Branch]) -> None:
    assert texts(averaged[name, 0.9]) == texts(averaged[name, None]) == []


def test_a_module_that_cannot_be_copied_has_no_average_and_trains_without(
    averaged: dict[tuple[object, ...], Branch],
) -> None:
    assert texts(averaged["Uncopyable", None]) == []
    assert texts(averaged["Uncopyable", 0.9]) == [
        f"{MODEL}.ema.decay: got 0.9, but the model cannot be copied with copy.deepcopy, as an average of its weights "
        "is: TypeError: holds a handle. It takes null with this model."
    ]


def test_weights_in_float16_are_bad_where_the_loss_is_scaled_alone(check: Check) -> None:
    backbone = f"space.{MODEL}.backbone={{_target_: {OURS}.HalfInside}}"
    precision = "space.run.precision={choice: [fp32, fp16]}"
    branches = by_choice(check(LINEAR, backbone, precision), "run.precision")
    assert texts(branches[("fp32",)]) == []
    (text,) = texts(branches[("fp16",)])
    assert text == (
        f"{MODEL}: HalfInside with LinearHead fails in the backward pass with run.precision=fp16: "
        "ValueError: Attempting to unscale FP16 gradients."
    )
    (text,) = texts(check(LINEAR, backbone, "run.precision=fp16", "run.gradient_clip_norm=1").branches[0])
    assert "with run.gradient_clip_norm=1 and run.precision=fp16: ValueError" in text


@pytest.mark.parametrize("is_scaled", [False, True])
def test_the_step_of_the_check_clips_as_that_of_training(is_scaled: bool) -> None:
    nodes = [{"_target_": f"sesemi_search.models.{name}"} for name in ("backbones.LeNet5", "heads.LinearHead")]
    with undisturbed():
        probe = Probe(*nodes, {"_target_": "torch.nn.CrossEntropyLoss"}, 10, torch.device("cpu"))
        probe.run_values((3, 32, 32), 4, max_norm=0.125, is_scaled=is_scaled)
    norm = torch.nn.utils.get_total_norm([p.grad for p in probe._classifier.parameters()])
    assert norm.item() == pytest.approx(0.125, rel=1e-3)
