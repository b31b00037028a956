"""Each way in which a user's module can be wrong is found without training, and named by class and reason."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sesemi_search.errors import ConfigError, Problem
from sesemi_search.preflight.branches import Branch, Checked

MODEL = "learner.hparams.model"
BAD = "faulty.bad_modules"

# By part of the model and class: arguments, and words of the message.
BACKBONES: dict[str, tuple[str, list[str]]] = {
    "WrongFlatten": ("", ["WrongFlatten fails on images of 3x32x32", "Flatten gave (2, 3136)", "in_features=400"]),
    "LyingWidth": ("", ["LyingWidth says out_features = 84 and gives features of shape (2, 192)"]),
    "TupleBackbone": ("", ["TupleBackbone says out_features = 192 and gives a tuple", "one tensor"]),
    "NaNBackbone": ("", ["NaNBackbone gives features that are NaN or infinite"]),
    "RaisingConstructor": (
        ", depth: 7",
        ["RaisingConstructor(depth=7) raised ValueError: depth=7; it takes a multiple of 3"],
    ),
    "WrongDtype": ("", ["fails on features of shape (2, 192) from WrongDtype", "must have the same dtype"]),
    "BigImages": ("", ["BigImages fails on images of 3x32x32", "stem.2 = MaxPool2d", "got (2, 3, 2, 2)"]),
    "GrayImages": ("", ["GrayImages fails on images of 3x32x32", "conv = Conv2d(1, 3", "got (2, 3, 32, 32)"]),
    "FloatWidth": ("", ["FloatWidth.out_features, got 192.0", "it takes an int"]),
    "StringWidth": ("", ["StringWidth.out_features, got '192'", "it takes an int"]),
    "NeedsTraining": ("", ["NeedsTraining fails on images of 3x32x32 in evaluation", "no statistics yet"]),
    "NoWidth": ("", ["NoWidth has no attribute 'out_features'"]),
    "NoModule": ("", ["NoModule is not a torch.nn.Module"]),
    "MixesTheBatch": ("", ["gives shape (2, 10) for 4 images"]),
    "InPlaceOnSaved": ("", ["InPlaceOnSaved with LinearHead fails in the backward pass", "inplace operation"]),
    "InfiniteGradient": ("", ["InfiniteGradient with LinearHead gives a gradient of backbone.shift that is NaN"]),
}
# Nodes that are wrong before anything is built.
NODES: dict[str, tuple[str, list[str]]] = {
    "unknown keyword": (
        f"{BAD}.NoKeywords, wide: 4",
        ["NoKeywords takes no argument 'wide'", "Did you mean 'width'?"],
    ),
    "unknown class": (f"{BAD}.NoSuchClass", ["module faulty.bad_modules has no 'NoSuchClass'"]),
    "import that fails": (
        "faulty.import_fails.Net",
        ["'faulty.import_fails.Net' cannot be imported", "raised OSError: libmissing.so"],
    ),
}
HEADS: dict[str, list[str]] = {
    "WrongClasses": ["WrongClasses gives shape (2, 7) for 2 images and 10 classes", "logits of shape (2, 10)"],
    "TupleHead": ["TupleHead gives a tuple for 2 images and 10 classes"],
    "NaNHead": ["NaNHead gives logits that are NaN or infinite"],
    "TakesNoInFeatures": ["TakesNoInFeatures does not accept 'in_features'"],
    "HidesInFeatures": ["HidesInFeatures has no attribute 'in_features'"],
    "WrongWidthInside": ["WrongWidthInside fails on features of shape (2, 192) from Backbone", "hidden = Linear"],
    "FrozenHead": ["has no parameter to train; every parameter of Backbone and FrozenHead is frozen"],
    "DetachedHead": ["the loss of Backbone with DetachedHead depends on no parameter that trains"],
}
LOSSES: dict[str, tuple[str, list[str]]] = {
    "torch.nn.BCEWithLogitsLoss": ("", ["BCEWithLogitsLoss failed on logits and labels: ValueError: Target size"]),
    "torch.nn.CrossEntropyLoss": (", reduction: none", ["CrossEntropyLoss gives shape (2,); it takes one number"]),
    "torch.nn.functional.cross_entropy": (", input: 1, target: 1", ["cross_entropy"]),
    f"{BAD}.NaNLoss": ("", ["NaNLoss gives a loss that is NaN"]),
}


def choose(part: str, nodes: dict[str, str]) -> str:
    """Returns the override that makes a part of the model a choice of nodes."""
    options = ", ".join(f"{name.replace('.', '_')}: {{_target_: {node}}}" for name, node in nodes.items())
    return f"space.{MODEL}.{part}={{choice: {{{options}}}}}"


@pytest.fixture(scope="module")
def backbones(check: Callable[..., Checked]) -> dict[str, Branch]:
    nodes = {name: f"{BAD}.{name}{arguments}" for name, (arguments, _) in BACKBONES.items()}
    good = {"Backbone": f"{BAD}.Backbone", "ReadsItem": f"{BAD}.ReadsItem"}
    wide = {
        "NarrowOnly": f"{BAD}.NarrowOnly, out_features: {{int: [4, 100]}}",
    }
    checked = check(choose("backbone", nodes | good | wide), f"space.{MODEL}.head=linear")
    return {branch.choices[f"{MODEL}.backbone"]: branch for branch in checked.branches}


@pytest.fixture(scope="module")
def heads(check: Callable[..., Checked]) -> dict[str, Branch]:
    head = choose("head", {name: f"{BAD}.{name}" for name in [*HEADS, "Head"]})
    checked = check(f"space.{MODEL}.backbone={{_target_: {BAD}.Backbone}}", head)
    return {branch.choices[f"{MODEL}.head"]: branch for branch in checked.branches}


@pytest.fixture(scope="module")
def losses(check: Callable[..., Checked]) -> dict[str, Branch]:
    loss = choose("loss", {name: f"{name}{arguments}" for name, (arguments, _) in LOSSES.items()})
    checked = check(loss, f"space.{MODEL}.head=linear")
    return {branch.choices[f"{MODEL}.loss"]: branch for branch in checked.branches}


def assert_named(problems: Sequence[Problem], words: list[str]) -> None:
    assert len(problems) == 1, problems
    for each in words:
        assert each in str(problems[0])


@pytest.mark.parametrize("name", BACKBONES)
def test_a_bad_backbone_is_named_with_the_reason(name: str, backbones: dict[str, Branch]) -> None:
    assert_named(backbones[name].problems, [MODEL, *BACKBONES[name][1]])


@pytest.mark.parametrize("name", HEADS)
def test_a_bad_head_is_named_with_the_reason(name: str, heads: dict[str, Branch]) -> None:
    assert_named(heads[name].problems, [MODEL, *HEADS[name]])


@pytest.mark.parametrize("name", LOSSES)
def test_a_bad_loss_is_named_with_the_reason(name: str, losses: dict[str, Branch]) -> None:
    assert_named(losses[name.replace(".", "_")].problems, [f"{MODEL}.loss", *LOSSES[name][1]])


@pytest.mark.parametrize("name", NODES)
def test_a_bad_node_is_named_with_the_reason(name: str, check: Callable[..., Checked]) -> None:
    node, words = NODES[name]
    try:
        checked = check(f"space.{MODEL}.backbone={{_target_: {node}}}", f"space.{MODEL}.head=linear")
        problems = checked.branches[0].problems
    except ConfigError as error:  # the same for every branch
        problems = error.problems
    assert_named(problems, [f"{MODEL}.backbone", *words])


def test_a_width_that_fails_at_its_high_end_is_bad_there_alone(backbones: dict[str, Branch]) -> None:
    branch = backbones["NarrowOnly"]
    assert branch.low.problems == []
    assert_named(branch.high.problems, ["NarrowOnly says out_features = 100 and gives features of shape (2, 64)"])


def test_a_module_that_reads_a_value_works_on_the_cpu(backbones: dict[str, Branch]) -> None:
    branch = backbones["ReadsItem"]
    assert branch.problems == []
    assert [end.architecture.device for end in branch.ends if end.architecture] == ["cpu", "cpu"]


def test_good_modules_beside_the_bad_ones_are_ok(backbones: dict[str, Branch], heads: dict[str, Any]) -> None:
    assert backbones["Backbone"].problems == heads["Head"].problems == []
