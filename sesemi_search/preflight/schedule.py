"""The learning rate of a whole run, stepped through on an optimizer of one parameter before anything trains.

A schedule of torch counts its steps and does not know the run: one by epochs that steps after every optimizer step is
over in the first epoch, and one of a million steps never begins to fall. What raises on the way is a mistake; a rate
that is over long before the run, or that never falls, is a remark.
"""

import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from sesemi_search.config.experiment import Complete, type_experiment
from sesemi_search.config.schema import ExperimentConfig, Interval
from sesemi_search.data.splits import count_train_images
from sesemi_search.errors import ConfigError, Problem, describe_exception, user_code
from sesemi_search.preflight.probe import undisturbed
from sesemi_search.training.build import OPTIMIZER_KEY, SCHEDULER_KEY, build_lr_scheduler, build_optimizer

__all__ = ["Schedule", "Schedules"]

# 2 to 3 us each. Of a longer run, and of one whose number of images is not known, an epoch is taken for one step:
# what is over too early then is so in any case.
_MAX_STEPS = 200_000
# A share of the highest rate: with less, nothing is learned any more.
_VANISHED = 1e-4
# A schedule whose rate stays above this share of the highest does not anneal.
_ANNEALED = 0.5
_INTERVALS = "Its lengths are counted in steps where learner.hparams.lr_scheduler.interval is step, else in epochs."
_FEWEST = 3  # steps of which anything is said


@dataclass(frozen=True)
class Schedule:
    """What the learning rate of a run does.

    Attributes:
        problems: What keeps the run from its end.
        remarks: What is probably not meant.
    """

    problems: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()


class Schedules:
    """Steps through the schedules of configs, of equal ones once.

    Args:
        num_images: Training images; None where the data is not loaded, which its source may know all the same.
    """

    def __init__(self, num_images: int | None = None) -> None:
        self._num_images = num_images
        self._seen: dict[str, Schedule] = {}

    def check(self, config: Complete) -> Schedule:
        """Returns what the rate of a config does, whose optimizer and schedule can be built."""
        hparams, run = config["learner"]["hparams"], config["run"]
        lengths = [run["num_epochs"], run["batch_size_per_gpu"], config["data"]]
        key = json.dumps([hparams["optimizer"], hparams["lr_scheduler"], *lengths], sort_keys=True, default=str)
        if key not in self._seen:
            typed = type_experiment(config)
            num_images = count_train_images(typed.data) if self._num_images is None else self._num_images
            self._seen[key] = _check(typed, num_images)
        return self._seen[key]


def _check(config: ExperimentConfig, num_images: int | None) -> Schedule:
    schedule, run = config.learner.hparams.lr_scheduler, config.run
    by_step = schedule.interval is Interval.step
    per_epoch = 1
    if by_step and num_images is not None:
        per_epoch = max(1, num_images // run.batch_size_per_gpu)
    is_exact = not by_step or num_images is not None
    if per_epoch * run.num_epochs > _MAX_STEPS:
        per_epoch, is_exact = 1, False
    if wrong := tuple(_find_nan(config)):
        return Schedule(wrong)
    try:
        rates = _rates(config, per_epoch)
    except ConfigError as error:
        return Schedule(tuple(error.problems))
    if schedule.scheduler is None:
        return Schedule()
    target = schedule.scheduler["_target_"]
    for step, rate in enumerate(rates):
        if not math.isfinite(rate) or rate < 0:
            at = _place(step, len(rates) - 1, run.num_epochs)
            text = f"{target} gives a learning rate of {rate:g} in {at}; it takes one of at least 0."
            return Schedule((Problem(SCHEDULER_KEY, text),))
    remark = _remark(rates, run.num_epochs, is_exact)
    return Schedule(remarks=(Problem(SCHEDULER_KEY, f"{target}: {remark}"),) if remark else ())


def _find_nan(config: ExperimentConfig) -> Iterator[Problem]:
    """Yields what is no number of the arguments of optimizer and schedule, and a rate without end."""
    hparams = config.learner.hparams
    for key, node in ((OPTIMIZER_KEY, hparams.optimizer), (SCHEDULER_KEY, hparams.lr_scheduler.scheduler or {})):
        for name, value in node.items():
            if isinstance(value, float) and (math.isnan(value) or (name == "lr" and math.isinf(value))):
                yield Problem(f"{key}.{name}", f"got {value}; it takes a finite number.")


def _rates(config: ExperimentConfig, per_epoch: int) -> list[float]:
    """Returns the rate of every step of a run, and the one after the last.

    Raises:
        ConfigError: The schedule raises before the run ends.
    """
    hparams, num_epochs = config.learner.hparams, config.run.num_epochs
    schedule = hparams.lr_scheduler
    with undisturbed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about its own schedules
        optimizer = build_optimizer(hparams.optimizer, [nn.Parameter(torch.zeros(1))])
        scheduler = build_lr_scheduler(
            schedule.scheduler, optimizer, per_epoch, num_epochs, schedule.interval, schedule.frequency
        )
        group, num_steps = optimizer.param_groups[0], per_epoch * num_epochs
        if "lr" not in group:
            raise ConfigError(
                OPTIMIZER_KEY,
                f"{hparams.optimizer['_target_']} has no lr in its parameter groups, which a schedule "
                "changes and a run reports.",
            )
        rates = [float(group["lr"])]
        for step in range(1, num_steps + 1):
            try:
                if scheduler is not None and step % schedule.frequency == 0:
                    with user_code():
                        scheduler.step()
            except Exception as error:  # a user's own class raises anything
                target, place = (schedule.scheduler or {})["_target_"], _place(step, num_steps, num_epochs)
                raised = f"{target} raised in {place} {describe_exception(error)}"
                raise ConfigError(SCHEDULER_KEY, f"{raised}. {_INTERVALS}") from error
            rates.append(float(group["lr"]))
    return rates


def _remark(rates: Sequence[float], num_epochs: int, is_exact: bool) -> str:
    """Says of a rate that it is over in the first half of a run, rises to its end, or does not fall; "" of others."""
    num_steps, peak = len(rates) - 1, max(rates)
    if num_steps < _FEWEST or peak == 0:
        return ""
    over = 1 + max(step for step, rate in enumerate(rates) if rate > _VANISHED * peak)
    top = rates.index(peak)
    lowest = min(rates[top:])
    if over < num_steps / 2:
        found = f"the learning rate is next to nothing from {_place(over, num_steps, num_epochs)} on"
    elif is_exact and 0 < num_steps - 1 <= top:
        found = "the learning rate still rises when the run ends: the warm-up is longer"
    elif is_exact and lowest > _ANNEALED * peak:
        found = f"the learning rate hardly falls in this run, from {peak:.3g} to {lowest:.3g}"
    else:
        return ""
    return f"{found}. {_INTERVALS}"


def _place(step: int, num_steps: int, num_epochs: int) -> str:
    """Says where in a run a step is."""
    epoch = min(num_epochs, 1 + step * num_epochs // num_steps)
    return f"epoch {epoch} of {num_epochs}"
