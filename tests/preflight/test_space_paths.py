"""A space held against a real experiment, its schema and the signatures of its targets."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import Complete, check_values, plain, resolve, type_experiment
from sesemi_search.preflight.space_paths import check_tree
from sesemi_search.project.project import activate
from sesemi_search.search.initial.baseline import find_baseline
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space
from tests.space.strategies import overlays, sample_space

PROJECT = Path(__file__).parents[2] / "experiments"
SRC = Path(__file__).parents[1] / "project" / "src"
HPARAMS = "learner.hparams"
HEAD = f"{HPARAMS}.model.head"
ADAM = {"_target_": "torch.optim.Adam", "lr": 0.1, "betas": [0.9, 0.999]}


@pytest.fixture(scope="module")
def experiment() -> dict[str, Any]:
    """The tutorial's experiment, with an optimizer that has a list."""
    request = Request(False, ["data=mnist5k"], config_name="mnist_lenet5_cosine", project=PROJECT)
    composed = compose_config(request)
    activate(composed.project)
    experiment = {key: value for key, value in plain(composed.config).items() if key in ("run", "data", "learner")}
    experiment["learner"]["hparams"]["optimizer"] = ADAM
    return experiment


def nest(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {int(part) if part.isdigit() else part: value}
    assert isinstance(value, dict)
    return value


OPTIMIZER = f"{HPARAMS}.optimizer"
OWN = "faulty.optimizers.Sign"
LINEAR = "sesemi_search.models.heads.LinearHead"
POLY = f"{HPARAMS}.lr_scheduler.scheduler"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("run.num_epochs", {"float": [1, 3]}, ["space.run.num_epochs", "a float domain, [1.0, 3.0]", "a whole number"]),
        ("run.batch_size_per_gpu", {"choice": [64, 0.5]}, ["space.run.batch_size_per_gpu.choice.1: got 0.5"]),
        ("run.precision", {"int": [0, 1]}, ["space.run.precision", "an int domain", "one of auto, fp32, bf16, fp16"]),
        ("run.precision", {"choice": ["fp32", "fp8"]}, ["space.run.precision.choice.1: got 'fp8'"]),
        ("run.seed", [{"int": [0, 1]}], ["space.run.seed: got a list", "a whole number"]),
        ("run.seed", {"choice": {"a": {"float": [0, 1]}, "b": 3}}, ["space.run.seed.choice.a: got a float domain"]),
        ("data.mean.1", {"choice": ["x"]}, ["space.data.mean.1.choice.0: got 'x'", "a number"]),
        ("data.mean", [{"choice": [None]}, 0, 0], ["space.data.mean.0.choice.0: got None"]),
        ("data.mean.3", {"float": [0, 1]}, ["space.data.mean.3: the experiment's list has 3 entries"]),
        (f"{HPARAMS}.optimizer.betas.2", {"float": [0, 1]}, [f"{HPARAMS}.optimizer.betas.2", "has 2 entries"]),
        (
            f"{HPARAMS}.optimizer.lr.0",
            {"float": [0, 1]},
            ["optimizer.lr: whole numbers as keys", "which has 0.1 there"],
        ),
        (f"{HPARAMS}.optimizer.nothing.0", {"float": [0, 1]}, ["has nothing there", "takes no argument 'nothing'"]),
        (f"{HPARAMS}.optimizer.betas", {"a": 1}, ["optimizer.betas: got the names a", "a list there"]),
        (f"{HPARAMS}.optimizer.weight_deca", 1, [f"space.{HPARAMS}.optimizer.weight_deca", "'weight_decay'"]),
        (f"{HPARAMS}.optimizer.amsgrad", {"float": [0, 1]}, ["optimizer.amsgrad: got a float domain", "true or false"]),
        (f"{HPARAMS}.model.backbone.out_features", {"float": [8, 9]}, ["out_features: got a float domain"]),
        (f"{POLY}.warmup_epochs", {"choice": ["two"]}, ["warmup_epochs.choice.0: got 'two'", "a number"]),
        (
            HEAD,
            {"choice": {"a": {"_target_": LINEAR, "dropuot": 0.5, "freeze": {"int": [0, 1]}}}},
            [f"space.{HEAD}.choice.a.dropuot", "Did you mean 'dropout'?", f"space.{HEAD}.choice.a.freeze"],
        ),
        (HEAD, {"choice": {"a": {"_target_": "nowhere.Head"}}}, [f"space.{HEAD}.choice.a._target_", "nowhere"]),
    ],
)
def test_what_cannot_be_is_named_with_the_key_of_the_space(
    key: str, value: Any, says: list[str], experiment: dict[str, Any]
) -> None:
    problems = list(map(str, check_tree(parse_space(nest(key, value)), experiment)))
    assert problems
    for words in says:
        assert any(words in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run.gradient_clip_norm", {"choice": [None, 1, 2.5]}),
        ("run.gradient_clip_norm", {"int": [1, 5]}),
        ("run.num_epochs", {"choice": ["${run.seed}", 3]}),
        ("data.mean.1", {"float": [0, 1]}),
        (f"{HPARAMS}.optimizer.betas.0", {"float": [0.8, 0.95]}),
        (f"{HPARAMS}.optimizer.betas", [{"float": [0.8, 0.95]}, 0.999]),
        (f"{HPARAMS}.optimizer.lr", {"float": [0, 1]}),  # its annotation is `float | Tensor`
        (f"{HPARAMS}.optimizer", {"_target_": {"choice": ["torch.optim.SGD", "torch.optim.Adam"]}, "lr": 0.1}),
        (f"{POLY}.warmup_epochs", {"int": [0, 3]}),
        (HEAD, {"_target_": LINEAR, "dropout": {"choice": {"none": 0, "some": {"float": [0.1, 0.5]}}}}),
        (f"{HPARAMS}.optimizer", {"literal": {"betas": [1]}}),
    ],
)
def test_what_can_be_is_let_through(key: str, value: Any, experiment: dict[str, Any]) -> None:
    assert check_tree(parse_space(nest(key, value)), experiment) == []


NUMBERS = "write {choice: [0.1, 0.2]}, or {float: [low, high]} for what lies between"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (f"{OPTIMIZER}.lr", {"flota": [0.1, 1], "log": True}, ["the keys flota, log; a domain has", "mean 'float'?"]),
        (f"{OPTIMIZER}.lr", {"loguniform": [0.1, 1]}, ["is written {float: [low, high], log: true} here"]),
        (f"{OPTIMIZER}.lr", [0.1, 0.2], [NUMBERS, "The experiment has 0.1 there"]),
        (
            f"{OPTIMIZER}.weight_decay",
            [1, 2],
            ["write {choice: [1, 2]}, or {float: [low", "It takes a number."],
        ),
        (
            f"{OPTIMIZER}.betas.0",
            {"values": [0.8, 0.9]},
            ["the key values;", "'values' is written {choice: [...]} here"],
        ),
        (
            OPTIMIZER,
            {"_target_": OWN, "lr": {"Float": [0, 1]}},
            ["optimizer.lr: got a", "mean 'float'?", "is 0.01 there"],
        ),
        (
            OPTIMIZER,
            {"_target_": "torch.optim.SGD", "momentum": [0.1, 0.2]},
            ["optimizer.momentum: got a list", "It takes a number."],
        ),
        (
            OPTIMIZER,
            {"_target_": OWN, "momentum": {"values": [0.8, 0.9]}},
            ["optimizer.momentum: got a mapping", "By default, there is 0.9"],
        ),
        (
            f"{OPTIMIZER}.weight_decay",
            {"choice": {"a": {"min": 0, "max": 1}, "b": 0.5}},
            [f"space.{OPTIMIZER}.weight_decay.choice.a: got a mapping", "'min' is written {float", "takes a number."],
        ),
        ("run.num_epochs", {"choice": {"a": [3, 9], "b": 5}}, ["num_epochs.choice.a: got a list", "a whole number."]),
        (
            "run.num_epochs",
            {"distribution": "q_uniform", "min": 1, "max": 9},
            ["the keys distribution, min, max", "'q_uniform' is written {float: [low, high], step: ...} here"],
        ),
        ("run.gradient_clip_norm", {"chioce": [None, 1]}, ["mean 'choice'?", "It takes a number or null."]),
        ("run.num_epochs", [3, 9], ["write {choice: [3, 9]}, or {int: [low, high]} for", "It takes a whole number."]),
        ("run.precision", ["fp32", "bf16"], ["write {choice: [fp32, bf16]} to search it"]),
    ],
)
def test_what_is_no_domain_over_a_plain_value_is_told_once_with_how_one_is_written(
    key: str, value: Any, says: list[str], experiment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SRC)
    (problem,) = check_tree(parse_space(nest(key, value)), experiment)
    for words in says:
        assert words in str(problem)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"{OPTIMIZER}.lr", {"literal": {"flota": [0.1, 1]}}),
        (f"{OPTIMIZER}.lr", {"literal": [0.1, 1]}),
        (f"{OPTIMIZER}.lr", {"_target_": "torch.tensor", "data": 0.1}),
        (f"{OPTIMIZER}.betas", [0.9, 0.99]),
        (OPTIMIZER, {"_target_": "torch.optim.SGD", "lr": [{"float": [0, 1]}, 0.1]}),  # who has domains, knows them
        (OPTIMIZER, {"_target_": OWN, "sizes": [1, 2]}),  # its annotation has a list
        (POLY, {"_target_": "faulty.anything", "nested": {"values": [1]}}),  # nothing is known of it
        (f"{HPARAMS}.lr_scheduler", {"interval": "${run.id}"}),
        (OPTIMIZER, {"weight": {"decays": [1, 2]}}),
    ],
)
def test_a_mapping_or_a_list_that_can_be_there_is_let_through(
    key: str, value: Any, experiment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SRC)
    problems = map(str, check_tree(parse_space(nest(key, value)), experiment))
    assert [problem for problem in problems if "domain" in problem or "got a list" in problem] == []


BALANCED = {"data": {"class_weights": "balanced"}}
SIZED = nest(OPTIMIZER, {"_target_": OWN, "momentum": 0.9})


@pytest.mark.parametrize(
    ("over", "key", "value"),
    [
        (BALANCED, "data.class_weights", [1.0, 2.0]),
        (BALANCED, "data.class_weights", {"choice": {"b": "balanced", "own": [1.0, 2.0]}}),
        (SIZED, f"{OPTIMIZER}.momentum", {"choice": {"one": 0.9, "two": [0.8, 0.9]}}),
        (SIZED, f"{OPTIMIZER}.norms", {"choice": {"one": 1, "more": {"first": 1, "last": 2}}}),
        ({}, OPTIMIZER, {"_target_": OWN, "momentum": {"choice": {"one": 0.9, "two": [0.8, 0.9]}}}),
        ({}, OPTIMIZER, {"_target_": OWN, "momentum": [0.8, 0.9]}),
        ({}, OPTIMIZER, {"choice": {"own": {"_target_": OWN, "momentum": [0.8, 0.9]}}}),
    ],
)
def test_a_list_or_a_mapping_that_is_meant_by_intent_may_lie_over_a_plain_value(
    over: dict[str, Any], key: str, value: Any, experiment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SRC)
    assert check_tree(parse_space(nest(key, value)), plain(OmegaConf.merge(experiment, over))) == []


KEYS = [
    *("run.seed", "run.num_epochs", "run.batch_size_per_gpu", "run.precision", "run.gradient_clip_norm"),
    *("data.mean.0", "data.mean.2", "data.std.1", f"{HPARAMS}.model.ema.decay", f"{HPARAMS}.lr_scheduler.frequency"),
    *(f"{HPARAMS}.optimizer.betas.0", f"{HPARAMS}.optimizer.lr", f"{HPARAMS}.optimizer.amsgrad"),
    *(f"{HPARAMS}.lr_scheduler.interval", f"{POLY}.warmup_lr", f"{HPARAMS}.model.backbone.out_features"),
]
HEADS = {
    "choice": {
        "cosine": {"_target_": "sesemi_tutorials.models.CosineSimilarityHead"},
        "linear": {"_target_": LINEAR, "dropout": {"float": [0, 0.5]}, "freeze": {"choice": [True, False]}},
        "scaled": {"_target_": "sesemi_search.models.heads.ScaledCosineHead", "scale": {"int": [1, 32]}},
    }
}


@settings(max_examples=30, deadline=None)
@given(overlays(KEYS), st.booleans(), st.integers(0, 100))
def test_what_is_let_through_composes_and_is_read_back(
    experiment: dict[str, Any], raw: dict[str, Any], head: bool, seed: int
) -> None:
    if head:
        raw.setdefault("learner", {}).setdefault("hparams", {}).setdefault("model", {})["head"] = HEADS
    space = Space(parse_space(raw))
    assume(not check_tree(space.root, experiment))
    params = sample_space(space, seed)
    sampled = space.apply(experiment, params)
    assume(not list(check_values(OmegaConf.create(sampled))))  # the check of a space knows no ranges
    resolved = resolve(sampled)
    assert type_experiment(Complete(resolved))
    assert find_baseline(space, resolved) == params


def test_a_value_that_refers_to_a_sampled_one_follows_it(experiment: dict[str, Any]) -> None:
    raw = nest(POLY, {"warmup_lr": "${learner.hparams.optimizer.lr}"})
    raw["learner"]["hparams"]["optimizer"] = {"lr": {"float": [0.1, 1]}, "betas": {0: {"float": [0, 0.9]}}}
    raw["run"] = {"seed": {"int": [3, 9]}, "num_epochs": "${.seed}"}
    decayed = plain(OmegaConf.merge(experiment, nest(f"{HPARAMS}.optimizer.weight_decay", "${.betas.0}")))
    space = Space(parse_space(raw))
    assert check_tree(space.root, decayed) == []
    params = {f"{HPARAMS}.optimizer.lr": 0.5, f"{HPARAMS}.optimizer.betas.0": 0.25, "run.seed": 7}
    config = type_experiment(Complete(resolve(space.apply(decayed, params))))
    assert config.learner.hparams.lr_scheduler.scheduler["warmup_lr"] == 0.5
    assert config.learner.hparams.optimizer["weight_decay"] == 0.25
    assert config.run.num_epochs == 7
