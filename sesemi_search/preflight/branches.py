"""The check before any trial: every branch of a space is composed, built and given one batch.

It composes and gathers what is wrong; `sesemi_search.preflight.architecture` builds the models.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from sesemi_search.config.experiment import Complete, Written, resolve, type_experiment
from sesemi_search.config.schema import Accelerator, ExperimentConfig, Precision
from sesemi_search.config.targets import check_target
from sesemi_search.data.sources import TEST_SOURCE_KEY, check_source
from sesemi_search.data.splits import count_train_images
from sesemi_search.data.transforms import check_transforms
from sesemi_search.errors import ConfigError, Fault, Problem, describe_exception, raise_problems, user_code
from sesemi_search.models.classifier import BACKBONE_KEY, HEAD_KEY
from sesemi_search.models.expected_input import describe_difference, describe_followed, follow_backbone
from sesemi_search.preflight.architecture import Architecture, Architectures
from sesemi_search.preflight.excluded_branches import Excluded, find_excluded, holds
from sesemi_search.preflight.probe import undisturbed
from sesemi_search.preflight.schedule import Schedule, Schedules
from sesemi_search.preflight.space_paths import check_tree
from sesemi_search.space.corners import branch_ends, choices_of, count_branches
from sesemi_search.space.overlay_paths import find_condition, find_place
from sesemi_search.space.space import Space
from sesemi_search.training.build import OPTIMIZER_KEY, build_lr_scheduler, build_optimizer
from sesemi_search.training.evaluation import check_metrics

__all__ = ["Branch", "Checked", "End", "check_experiment", "check_space"]

_MAX_BRANCHES = 256


@dataclass(frozen=True)
class End:
    """A branch with all its numbers at one end of their ranges.

    Attributes:
        params: Its parameters, by full name.
        problems: What is wrong with it.
        config: The config; None where it does not compose or a value is out of its range.
        architecture: What its model costs; None where it was not built.
        remarks: What works and is probably not meant.
    """

    params: Mapping[str, Any]
    problems: Sequence[Problem]
    config: Complete | None = None
    architecture: Architecture | None = None
    remarks: Sequence[Problem] = ()


@dataclass(frozen=True)
class Branch:
    """A combination of choices, at its low and at its high end."""

    choices: Mapping[str, Any]
    low: End
    high: End

    @property
    def ends(self) -> tuple[End, End]:
        """Low and high."""
        return self.low, self.high

    @property
    def problems(self) -> list[Problem]:
        """What is wrong at either end."""
        return list(dict.fromkeys([*self.low.problems, *self.high.problems]))


@dataclass(frozen=True)
class Checked:
    """What was checked.

    Attributes:
        space: The space.
        branches: The branches that were visited.
        num_branches: Branches that there are.
        notes: Remarks for the user.
    """

    space: Space
    branches: Sequence[Branch]
    num_branches: int
    notes: Sequence[str]

    @property
    def bad(self) -> list[Branch]:
        """The branches with a problem."""
        return [branch for branch in self.branches if branch.problems]

    def describe_problems(self) -> list[Problem]:
        """Returns each problem with a place where it was found, unless it is everywhere, and what to do without."""
        found: dict[Fault, list[tuple[Problem, Mapping[str, Any]]]] = {}
        ends = [end for branch in self.branches for end in branch.ends]
        for end in ends:
            for problem in end.problems:
                found.setdefault(problem.fault, []).append((self.locate(problem, end), end.params))
        described: list[Problem] = []
        for places in found.values():
            problem, params = places[0]
            remarks = [] if len(places) == len(ends) else [f"found at {self._shown(params)}"]
            if len(described) == len(found) - 1 and len(self.bad) < len(self.branches):
                good = f"{len(self.branches) - len(self.bad)} of {len(self.branches)} branches work"
                remarks.append(f"{good}, and search.skip_bad_branches=true searches those alone")
            text = f"{problem.text} ({'; '.join(remarks)})" if remarks else problem.text
            described.append(replace(problem, text=text))
        return described

    def describe_bad(self) -> list[Problem]:
        """Returns the first problem of each bad branch, those of several once."""
        found: dict[Fault, Problem] = {}
        for branch in self.bad:
            end = branch.low if branch.low.problems else branch.high
            found.setdefault(end.problems[0].fault, self.locate(end.problems[0], end))
        return list(found.values())

    def locate(self, problem: Problem, end: End) -> Problem:
        """Returns a problem of an end with its key as the space writes it, where it does."""
        return replace(problem, key=find_place(self.space, end.params, problem.key)) if problem.key else problem

    def exclude_bad(self) -> Excluded:
        """Returns what keeps a search out of the bad branches.

        Raises:
            ConfigError: There is no other.
        """
        if len(self.bad) == len(self.branches):
            raise_problems(self.describe_problems())
        good = [branch.choices for branch in self.branches if not branch.problems]
        return find_excluded(good, [(branch.choices, branch.problems[0]) for branch in self.bad])

    def _shown(self, params: Mapping[str, Any]) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.space.shorten(params).items())


def check_experiment(config: Complete) -> list[str]:
    """Checks one experiment; returns remarks for the user.

    Raises:
        ConfigError: With all that is wrong.
    """
    architectures = Architectures()
    raise_problems(list(_check_config(config, architectures, {})))
    schedule = Schedules().check(config)
    raise_problems(schedule.problems)
    return [*architectures.notes, *architectures.describe_fallback(), *map(str, schedule.remarks)]


def check_space(
    space: Space,
    experiment: Written,
    architectures: Architectures,
    max_branches: int = _MAX_BRANCHES,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> Checked:
    """Checks every branch of a space over an experiment, its numbers all low and all high.

    Args:
        space: The space.
        experiment: The experiment as it is written.
        architectures: Keeps what it measures.
        max_branches: Of a space with more, so many are visited; more where it takes more to visit every choice once.
        tell: Told, before each branch, how many are done and how many there are.

    Raises:
        ConfigError: The space itself is wrong, whatever the branch. What is wrong with a branch, or inside an option,
            is in what it returns.
    """
    inside = [(find_condition(space, problem.key), problem) for problem in check_tree(space.root, experiment)]
    raise_problems([problem for condition, problem in inside if not condition])
    seen: dict[str, list[Problem]] = {}
    schedules = Schedules()

    def check_end(params: Mapping[str, Any]) -> End:
        problems = [problem for condition, problem in inside if holds(condition, params)]
        if problems:
            return End(params, problems)
        return _check_end(space, experiment, params, architectures, seen, schedules)

    branches: list[Branch] = []
    ends = branch_ends(space, max_branches)
    for low, high in ends:
        tell(len(branches), len(ends))
        branches.append(Branch(choices_of(space, low), check_end(low), check_end(high)))
    notes = [*architectures.notes, *architectures.describe_fallback()]
    return Checked(space, branches, count_branches(space), notes)


def _check_end(
    space: Space,
    experiment: Written,
    params: Mapping[str, Any],
    architectures: Architectures,
    seen: dict[str, list[Problem]],
    schedules: Schedules,
) -> End:
    try:
        sampled = space.apply(experiment, params)
        resolved = resolve(sampled)
        config = follow_backbone(sampled, resolved)
    except ConfigError as error:
        return End(params, error.problems)
    architectures.note(*describe_followed(resolved, config))
    problems = list(_check_config(config, architectures, seen))
    schedule = schedules.check(config) if not problems else Schedule()
    problems += schedule.problems
    return End(params, problems, config, architectures.known(config), schedule.remarks)


def _check_config(config: Complete, architectures: Architectures, seen: dict[str, list[Problem]]) -> Iterator[Problem]:
    """Yields what is wrong with the parts of a config; a part that was seen before is not looked at again."""
    hparams, data = config["learner"]["hparams"], config["data"]
    step = [config["run"][name] for name in ("batch_size_per_gpu", "gradient_clip_norm", "precision")]
    schedule = [hparams["optimizer"], hparams["lr_scheduler"], config["run"]["num_epochs"]]
    parts: list[tuple[Any, Callable[[], list[Problem]]]] = [
        (["source", data["source"], data["test_source"]], lambda: _check_sources(data)),
        (
            ["transforms", data["train_transforms"], data["image_size"], data["channels"]],
            lambda: _check_transforms(data),
        ),
        (
            ["model", hparams["model"], hparams["num_classes"], data, *step],
            lambda: _check_model(config, architectures),
        ),
        (["optimization", *schedule], lambda: _check_optimization(config)),
        (["metrics"], lambda: _check_metrics(config)),
    ]
    for inputs, check in parts:
        key = json.dumps(inputs, sort_keys=True)
        if key not in seen:
            seen[key] = check()
        yield from seen[key]


def _check_metrics(config: Complete) -> list[Problem]:
    """Checks what is measured, which is the same for all trials."""
    learner = config["learner"]
    with undisturbed():
        return check_metrics(learner["metrics"], learner["hparams"]["num_classes"], config["run"]["best_metric"])


def _check_sources(data: Mapping[str, Any]) -> list[Problem]:
    test = data["test_source"]
    return check_source(data["source"]) + ([] if test is None else check_source(test, TEST_SOURCE_KEY))


def _check_transforms(data: Mapping[str, Any]) -> list[Problem]:
    return check_transforms(data["train_transforms"], data["image_size"], data["channels"])


def _check_model(config: Complete, architectures: Architectures) -> list[Problem]:
    model = config["learner"]["hparams"]["model"]
    problems = check_target(model["backbone"], BACKBONE_KEY)
    problems += check_target(model["head"], HEAD_KEY, ("in_features", "out_features"))
    weights = () if config["data"]["class_weights"] is None else ("weight",)
    problems += check_target(model["loss"], "learner.hparams.model.loss", weights)
    if problems:
        return problems
    try:
        run = config["run"]
        architectures.check(config, run["gradient_clip_norm"], run["precision"] == Precision.fp16.name)
        if not _check_sources(config["data"]):  # one that is wrong does not say how many images it has
            architectures.check_training(config, *_batch_sizes(type_experiment(config)))
    except ConfigError as error:
        return error.problems
    difference = describe_difference(model["backbone"], config["data"])
    architectures.note(*([] if difference is None else [difference]))
    return []


def _batch_sizes(typed: ExperimentConfig) -> tuple[int, int]:
    """Returns the images of a batch of training, and of the last one of validation as far as that is known."""
    size, num_train, num_val = typed.run.batch_size_per_gpu, count_train_images(typed.data), typed.data.val_size
    train = size if num_train is None else min(size, num_train)
    last = num_val % size if isinstance(num_val, int) else 0
    return train, last or size


def _check_optimization(config: Complete) -> list[Problem]:
    """Builds the optimizer and the schedule around one parameter, and takes a step of the optimizer.

    On the CPU: on torch's meta device an optimizer that looks at a value would fail. What fails there is tried on a GPU
    if trials get one; where that is on another node only, nothing is said of it.
    """
    typed = type_experiment(config)
    run = typed.run
    try:
        error = _take_step(typed, torch.device("cpu"))
        if error is not None and run.gpus and run.accelerator is not Accelerator.cpu:
            if torch.cuda.is_available():
                error = _take_step(typed, torch.device("cuda", 0))
            elif run.accelerator is Accelerator.gpu:
                error = None
    except ConfigError as wrong:
        return wrong.problems
    if error is None:
        return []
    target = typed.learner.hparams.optimizer["_target_"]
    return [Problem(OPTIMIZER_KEY, f"the first step of {target} raised {describe_exception(error)}")]


def _take_step(typed: ExperimentConfig, device: torch.device) -> Exception | None:
    """Returns what the first step of the optimizer raises on a device.

    Raises:
        ConfigError: The optimizer or the schedule cannot be built.
    """
    hparams, schedule = typed.learner.hparams, typed.learner.hparams.lr_scheduler
    with undisturbed():
        parameter = nn.Parameter(torch.zeros(1, device=device))
        optimizer = build_optimizer(hparams.optimizer, [parameter])
        build_lr_scheduler(
            schedule.scheduler, optimizer, 1, typed.run.num_epochs, schedule.interval, schedule.frequency
        )
        parameter.grad = torch.ones_like(parameter)
        try:
            with user_code():
                optimizer.step()
        except Exception as error:
            return error
    return None
