"""What takes the data to know: what is in it, how long an epoch of each branch takes, and whether its first steps hold.

`sesemi-search check --measure` alone does this. It trains through `Fit`, as a trial does, on copies of a few batches.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sesemi_search.config.experiment import Complete, type_experiment
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.data.images import Images, open_images
from sesemi_search.data.normalization import fill_normalization
from sesemi_search.data.stored import ImageSplit
from sesemi_search.errors import ConfigError, Problem, describe_exception, user_code
from sesemi_search.preflight.architecture import architecture_key
from sesemi_search.preflight.branches import Checked
from sesemi_search.preflight.probe import undisturbed
from sesemi_search.training.device import resolve_device
from sesemi_search.training.fit import Diverged, Fit

__all__ = ["Speed", "describe_data", "measure_speeds", "speed_key"]

_MODEL_KEY = "learner.hparams.model"
_AIM_S = 0.5  # seconds of training to time, where one step takes less
_MAX_STEPS = 8
_MAX_LISTED = 20  # classes whose images are listed one by one where they differ


@dataclass(frozen=True)
class Speed:
    """How an architecture trains.

    Attributes:
        epoch_seconds: Seconds of an epoch, training and validation; None where it does not train.
        problems: Why it does not train.
        note: A loss that became NaN after the first step.
    """

    epoch_seconds: float | None
    problems: Sequence[Problem] = ()
    note: Problem | None = None


def describe_data(data: Mapping[str, ImageSplit], num_classes: int) -> list[str]:
    """Returns what is in the splits, line by line: images, and images of each of `num_classes`."""
    lines = []
    for name, split in data.items():
        counts = np.bincount(split.labels, minlength=num_classes)
        shape = "x".join(map(str, split.take(np.zeros(1, dtype=np.int64)).shape[1:]))
        lines.append(f"{name:6}{len(split):,} images of {shape}; {_describe_counts(counts)}")
    return [*lines, "test  not opened"]


def speed_key(config: Complete) -> str:
    """Returns what tells one measurement from another: the architecture, and what else takes time in a step."""
    run, hparams = config["run"], config["learner"]["hparams"]
    optimizer = hparams["optimizer"].get("_target_")
    parts = [run["batch_size_per_gpu"], run["precision"], run["gradient_clip_norm"], optimizer, hparams["model"]["ema"]]
    return json.dumps([architecture_key(config), *parts], sort_keys=True)


def measure_speeds(
    checked: Checked, data: Mapping[str, ImageSplit], tell: Callable[[int, int], None]
) -> dict[str, Speed]:
    """Trains a few steps of each architecture of the branches without a problem.

    Args:
        checked: The branches.
        data: The splits `train` and `val`.
        tell: Told, before each, how many are done and how many there are.

    Returns:
        By `speed_key`.
    """
    configs: dict[str, Complete] = {}
    for branch in checked.branches:
        for end in branch.ends:
            if end.config is not None and not branch.problems:
                configs.setdefault(speed_key(end.config), end.config)
    speeds = {}
    for done, (key, config) in enumerate(configs.items()):
        tell(done, len(configs))
        with undisturbed():
            speeds[key] = _measure(type_experiment(config), data)
    return speeds


def _measure(config: ExperimentConfig, data: Mapping[str, ImageSplit]) -> Speed:
    try:
        with user_code():
            return _time_epoch(config, data)
    except ConfigError as error:
        return Speed(None, error.problems)
    except Exception as error:  # a user's module may raise anything
        size = config.run.batch_size_per_gpu
        text = f"failed in training on {size} real images: {describe_exception(error)}"
        return Speed(None, [Problem(_MODEL_KEY, text)])


def _time_epoch(config: ExperimentConfig, data: Mapping[str, ImageSplit]) -> Speed:
    """Trains one step to warm up, then times as many as there is time for, and scales them to an epoch."""
    sizes = {name: min(config.run.batch_size_per_gpu, len(split)) for name, split in data.items()}
    val = _images(config, "val", data, sizes["val"])

    def make_fit(num_steps: int) -> Fit:
        return Fit(config, _images(config, "train", data, num_steps * sizes["train"]), val)

    fit, num_steps = make_fit(1), 1
    # The loss of the first step comes from the initial weights: no learning rate is to blame.
    if not math.isfinite(_train(fit)["train/loss"]):
        return Speed(None, [Problem(_MODEL_KEY, "the loss of the first batch of real images is NaN or infinite.")])
    metrics = _train(fit)
    if (num_steps := min(_MAX_STEPS, int(_AIM_S / metrics["epoch_seconds"]))) > 1:
        fit = make_fit(num_steps)
        metrics = _train(fit)
    num_steps = max(1, num_steps)
    began = time.perf_counter()
    fit.evaluate(val, "val")
    val_seconds = time.perf_counter() - began
    step_seconds = max(0.0, metrics["epoch_seconds"] - val_seconds) / num_steps
    num_batches = {name: max(1, len(data[name]) / size) for name, size in sizes.items()}
    epoch_seconds = step_seconds * int(num_batches["train"]) + val_seconds * num_batches["val"]
    finite = math.isfinite(metrics["train/loss"]) and math.isfinite(metrics["val/loss"])
    diverged = Problem("", f"the loss is NaN or infinite after {num_steps} steps")
    return Speed(epoch_seconds, note=None if finite else diverged)


def _train(fit: Fit) -> dict[str, float]:
    """Returns the metrics of an epoch, diverged or not."""
    try:
        return fit.train_epoch()
    except Diverged as error:
        return error.metrics


def _images(config: ExperimentConfig, name: str, data: Mapping[str, ImageSplit], num_images: int) -> Images:
    """Returns so many images of a split, over and over where it has fewer, as a trial would have them."""
    device = resolve_device(config.run.accelerator, config.run.gpus).device
    few = data[name].select(np.arange(num_images) % len(data[name]))
    normalized = fill_normalization(config.data, data["train"], quiet=True)
    return open_images(name, few, normalized, config.run, device)


def _describe_counts(counts: npt.NDArray[np.int64]) -> str:
    """Says how many images the classes have."""
    if counts.min() == counts.max():
        return f"{counts[0]:,} of each of {len(counts)} classes"
    few, many = int(counts.argmin()), int(counts.argmax())
    text = f"{len(counts)} classes, from {counts[few]:,} (class {few}) to {counts[many]:,} (class {many})"
    return text + (f": {' '.join(map(str, counts))}" if len(counts) <= _MAX_LISTED else "")
