"""The fit loop on real digits: its numbers, their repeatability, and resuming to the last bit."""

import copy
import gc
import math
import pickle
import random
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sesemi_search.config.schema import Accelerator, ExperimentConfig, Interval, Precision
from sesemi_search.data import InMemoryImages, LabelledImages, Preparation
from sesemi_search.errors import ConfigError, SesemiSearchError
from sesemi_search.metrics import METRICS
from sesemi_search.training import Diverged, Fit, load_checkpoint, resolve_device, save_checkpoint

Build = Callable[..., Fit]
VARIANTS = {
    "sgd": lambda config: None,
    "ema": lambda config: setattr(config.learner.hparams.model.ema, "decay", 0.9),
    "adamw-cosine": lambda config: (
        setattr(config.learner.hparams, "optimizer", {"_target_": "torch.optim.AdamW", "betas": [0.8, 0.9]}),
        setattr(
            config.learner.hparams.lr_scheduler,
            "scheduler",
            {"_target_": "sesemi_search.training.lr_schedules.cosine_lr"},
        ),
    ),
    "no-schedule": lambda config: setattr(config.learner.hparams.lr_scheduler, "scheduler", None),
    "epoch-interval": lambda config: setattr(config.learner.hparams.lr_scheduler, "interval", Interval.epoch),
    "bf16-clipped": lambda config: (
        setattr(config.run, "precision", Precision.bf16),
        setattr(config.run, "gradient_clip_norm", 0.5),
    ),
}


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest, experiment: ExperimentConfig) -> ExperimentConfig:
    VARIANTS[request.param](experiment)
    return experiment


def numbers(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Returns the metrics that two equal runs share: all but the time."""
    return [{name: value for name, value in metrics.items() if name != "epoch_seconds"} for metrics in history]


def train(fit: Fit, epochs: int | None = None) -> Fit:
    for _ in range(fit.num_epochs if epochs is None else epochs):
        fit.train_epoch()
    return fit


def weights(fit: Fit) -> list[torch.Tensor]:
    return [value.clone() for value in fit.eval_model.state_dict().values()]


def test_an_epoch_reports_every_metric(variant: ExperimentConfig, build_fit: Build) -> None:
    metrics = build_fit(variant).train_epoch()
    assert set(metrics) == set(METRICS)
    assert all(type(value) is float and math.isfinite(value) for value in metrics.values())
    assert 0 <= metrics["val/top1"] <= 1


def test_without_validation_images_it_trains_the_same_and_reports_none_of_their_metrics(
    variant: ExperimentConfig, digits: dict[str, LabelledImages], build_fit: Build
) -> None:
    images = InMemoryImages(digits["train"], Preparation([0.1307] * 3, [0.3081] * 3, 3))
    alone, beside = Fit(variant, images, None), build_fit(variant)
    for fit in (alone, beside):
        train(fit, 2)
    assert all(torch.equal(a, b) for a, b in zip(weights(alone), weights(beside), strict=True))
    assert set(alone.history[0]) == {name for name in METRICS if not name.startswith("val/")}
    assert [m["train/loss"] for m in alone.history] == [m["train/loss"] for m in beside.history]


def test_training_learns(experiment: ExperimentConfig, build_fit: Build) -> None:
    experiment.run.num_epochs = 8
    fit = train(build_fit(experiment))
    assert fit.history[-1]["train/loss"] < fit.history[0]["train/loss"] / 2
    assert fit.history[-1]["val/top1"] > 0.6
    best = [metrics["val/top1/best"] for metrics in fit.history]
    assert best == list(np.maximum.accumulate([metrics["val/top1"] for metrics in fit.history]))


def test_equal_runs_give_equal_numbers(variant: ExperimentConfig, build_fit: Build) -> None:
    first = train(build_fit(variant))
    # What ran before in the process must not matter.
    torch.rand(3), np.random.rand(3), random.random()
    torch.set_num_threads(2)
    second = train(build_fit(variant))
    assert numbers(first.history) == numbers(second.history)
    assert all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_another_seed_gives_other_numbers(experiment: ExperimentConfig, build_fit: Build) -> None:
    first = build_fit(experiment).train_epoch()
    experiment.run.seed = 43
    assert build_fit(experiment).train_epoch()["train/loss"] != first["train/loss"]


def test_resuming_is_equal_to_the_undisturbed_run(variant: ExperimentConfig, build_fit: Build, tmp_path: Path) -> None:
    undisturbed = train(build_fit(variant))
    save_checkpoint(tmp_path / "last.pt", train(build_fit(variant), epochs=1).state_dict())
    torch.rand(7)
    resumed = build_fit(variant)
    resumed.load_state_dict(load_checkpoint(tmp_path / "last.pt"))
    assert resumed.epoch == 1
    train(resumed, epochs=2)
    assert numbers(resumed.history) == numbers(undisturbed.history)
    assert all(torch.equal(a, b) for a, b in zip(weights(resumed), weights(undisturbed), strict=True))


def test_a_loaded_state_is_not_trained_on(experiment: ExperimentConfig, build_fit: Build) -> None:
    state = copy.deepcopy(train(build_fit(experiment), epochs=1).state_dict())
    kept = copy.deepcopy(state)
    fit = build_fit(experiment)
    fit.load_state_dict(state)
    fit.train_epoch()
    assert state["history"] == kept["history"]
    buffers = zip(state["optimizer"]["state"].values(), kept["optimizer"]["state"].values(), strict=True)
    assert all(torch.equal(a["momentum_buffer"], b["momentum_buffer"]) for a, b in buffers)


def test_a_state_of_another_model_is_refused(experiment: ExperimentConfig, build_fit: Build) -> None:
    state = build_fit(experiment).state_dict()
    experiment.learner.hparams.model.backbone["out_features"] = 20
    with pytest.raises(SesemiSearchError, match="does not fit this experiment"):
        build_fit(experiment).load_state_dict(state)


def test_a_state_of_a_run_of_another_length_is_refused(experiment: ExperimentConfig, build_fit: Build) -> None:
    state = build_fit(experiment).state_dict()
    experiment.run.num_epochs = 30
    with pytest.raises(SesemiSearchError, match="a run of 3 epochs, this one has 30"):
        build_fit(experiment).load_state_dict(state)


def test_a_last_batch_that_is_not_full_is_left_out(experiment: ExperimentConfig, build_fit: Build) -> None:
    fit = train(build_fit(experiment), epochs=1)  # 330 images, batches of 64
    assert fit.state_dict()["step"] == 5


def test_a_last_batch_of_one_image_does_not_fail_in_batch_norm(experiment: ExperimentConfig) -> None:
    # 65 images of 4x4 pixels, whose last feature map is one pixel, in batches of 64.
    pixels = np.random.default_rng(0).integers(0, 256, (65, 1, 4, 4), dtype=np.uint8)
    images = InMemoryImages(LabelledImages(pixels, np.arange(65) % 10), Preparation([0.5], [0.3], 1))
    backbone = {"_target_": "sesemi_search.models.backbones.CIFARResNet", "n": 1, "width": 4, "in_channels": 1}
    experiment.learner.hparams.model.backbone = backbone
    fit = train(Fit(experiment, images, images))
    assert fit.state_dict()["step"] == fit.num_epochs


def test_fewer_images_than_a_batch_make_one_step(experiment: ExperimentConfig, build_fit: Build) -> None:
    experiment.run.batch_size_per_gpu = 1000
    assert train(build_fit(experiment), epochs=1).state_dict()["step"] == 1


def test_lr_is_that_of_the_last_step(experiment: ExperimentConfig, build_fit: Build) -> None:
    fit = train(build_fit(experiment))
    expected = [0.001 + 0.049 * 4 / 5, 0.05 * math.sqrt(0.6), 0.05 * math.sqrt(0.1)]
    assert [metrics["lr"] for metrics in fit.history] == pytest.approx(expected)


def test_an_epoch_schedule_steps_after_epochs(experiment: ExperimentConfig, build_fit: Build) -> None:
    scheduler = experiment.learner.hparams.lr_scheduler
    scheduler.scheduler = {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.1}
    scheduler.interval, scheduler.frequency = Interval.epoch, 2
    fit = train(build_fit(experiment))
    assert [metrics["lr"] for metrics in fit.history] == pytest.approx([0.05, 0.05, 0.005])


@pytest.mark.parametrize("lr", [1e10, 1e30])
def test_divergence_is_raised_with_its_epoch(experiment: ExperimentConfig, build_fit: Build, lr: float) -> None:
    experiment.learner.hparams.optimizer["lr"] = lr
    fit = build_fit(experiment)
    with pytest.raises(
        Diverged, match=r"training diverged in epoch 1: .*\.optimizer\.lr \(it was 1e\+[13]0\)"
    ) as raised:
        train(fit)
    assert raised.value.epoch == 1
    assert set(raised.value.metrics) == set(METRICS)
    assert (fit.epoch, fit.history) == (0, [])
    copied = pickle.loads(pickle.dumps(raised.value))
    assert (copied.epoch, str(copied)) == (1, str(raised.value))


def test_clipping_bounds_a_step(experiment: ExperimentConfig, build_fit: Build) -> None:
    experiment.run.gradient_clip_norm = 1e-6
    experiment.learner.hparams.lr_scheduler.scheduler = None
    before = weights(build_fit(experiment))
    after = weights(train(build_fit(experiment), epochs=1))
    moved = math.sqrt(sum((a - b).square().sum().item() for a, b in zip(after, before, strict=True)))
    assert 0 < moved < 5 * 0.05 * 1e-6 * 10 * 1.01  # steps, rate, norm, momentum's sum


def test_the_average_is_evaluated_and_not_trained(experiment: ExperimentConfig, build_fit: Build) -> None:
    plain = train(build_fit(experiment))
    experiment.learner.hparams.model.ema.decay = 0.99
    averaged = train(build_fit(experiment))
    assert [m["train/loss"] for m in averaged.history] == [m["train/loss"] for m in plain.history]
    assert averaged.history[-1]["val/loss"] != plain.history[-1]["val/loss"]
    assert averaged.eval_model is not averaged.model


def test_labels_beyond_the_classes_are_a_config_error(experiment: ExperimentConfig, build_fit: Build) -> None:
    experiment.learner.hparams.num_classes = 7
    with pytest.raises(ConfigError, match="num_classes: got 7"):
        build_fit(experiment)


def test_weights_that_do_not_fit_are_refused(experiment: ExperimentConfig, build_fit: Build) -> None:
    fit = build_fit(experiment)
    weights_of_another = {**fit.model.state_dict(), "extra.weight": torch.zeros(1)}
    with pytest.raises(SesemiSearchError, match=r"extra\.weight"):
        fit.load_weights(weights_of_another)


def test_a_run_sets_its_own_thread_count(experiment: ExperimentConfig, build_fit: Build) -> None:
    for count in (2, 1):
        experiment.run.num_threads = count
        build_fit(experiment)
        assert torch.get_num_threads() == count


def test_the_shared_pixels_are_never_written(experiment: ExperimentConfig, build_fit: Build, digits: dict) -> None:
    before = {name: split.images.copy() for name, split in digits.items()}
    for split in digits.values():
        split.images.flags.writeable = False
    train(build_fit(experiment))
    assert all(np.array_equal(split.images, before[name]) for name, split in digits.items())


def test_a_fit_is_freed_with_its_last_user(variant: ExperimentConfig, build_fit: Build) -> None:
    train(build_fit(variant), epochs=1)  # what torch sets up once
    gc.collect()
    gc.disable()
    try:
        fit = train(build_fit(variant), epochs=1)
        parts = [weakref.ref(part) for part in (fit.model, next(fit.model.parameters()), fit._optimizer)]
        del fit
        assert [part() for part in parts] == [None] * 3
    finally:
        gc.enable()


@pytest.mark.gpu
def test_a_worker_that_is_used_again_has_the_last_models_memory(experiment: ExperimentConfig, build_fit: Build) -> None:
    build_fit(experiment, "cuda").train_epoch()
    before = torch.cuda.memory_allocated()
    fit = build_fit(experiment, "cuda")
    fit.model.register_parameter("large", torch.nn.Parameter(torch.empty(1 << 26, device="cuda")))
    fit.model.itself = [fit.model]  # in a circle, as a model with hooks is
    del fit
    build_fit(experiment, "cuda").train_epoch()
    assert torch.cuda.memory_allocated() < before + (1 << 26)
    assert torch.cuda.memory_reserved() < before + (1 << 27)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", [Precision.auto, Precision.fp16, Precision.fp32])
def test_a_gpu_run_repeats_and_resumes(experiment: ExperimentConfig, build_fit: Build, precision: Precision) -> None:
    experiment.run.precision = precision
    assert resolve_device(Accelerator.auto, 1).device.type == "cuda"
    first, second = train(build_fit(experiment, "cuda")), train(build_fit(experiment, "cuda"))
    assert numbers(first.history) == numbers(second.history)
    half = train(build_fit(experiment, "cuda"), epochs=1)
    resumed = build_fit(experiment, "cuda")
    resumed.load_state_dict(copy.deepcopy(half.state_dict()))
    train(resumed, epochs=2)
    assert numbers(resumed.history) == numbers(first.history)


def test_a_margin_head_gets_the_labels_in_training_and_not_in_evaluation(
    experiment: ExperimentConfig, build_fit: Build
) -> None:
    fits = []
    for margin in (0.0, 0.5):
        experiment.learner.hparams.model.head = {
            "_target_": "sesemi_search.models.heads.ArcFaceHead",
            "scale": 8.0,
            "margin": margin,
        }
        fits.append(build_fit(experiment))
    bare, margined = fits
    val = bare._val
    assert bare.evaluate(val, "val") == margined.evaluate(val, "val")
    assert margined.train_epoch()["train/loss"] > bare.train_epoch()["train/loss"] + 1


@pytest.mark.parametrize("name", ["LazyNormed", "WeightNormed"])
def test_an_average_of_modules_that_get_their_weights_in_a_pass_trains_and_resumes(
    name: str, experiment: ExperimentConfig, build_fit: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "project" / "src"))
    model = experiment.learner.hparams.model
    model.backbone, model.ema.decay = {"_target_": f"faulty.training_batches.{name}"}, 0.9
    whole = train(build_fit(experiment))
    half = train(build_fit(experiment), epochs=1)
    resumed = build_fit(experiment)
    resumed.load_state_dict(copy.deepcopy(half.state_dict()))
    train(resumed, epochs=2)
    assert numbers(resumed.history) == numbers(whole.history)
    averaged, last = whole.eval_model.state_dict(), whole.model.state_dict()
    assert averaged.keys() == last.keys()
    assert any(not torch.equal(averaged[key], last[key]) for key in last)
