"""What a classifier is built from, and what a module that does not conform is told."""

from collections.abc import Callable

import pytest
import torch

from sesemi_search.errors import ConfigError
from sesemi_search.models import build_classifier
from sesemi_search.preflight.architecture import Architectures

LENET = {"_target_": "sesemi_tutorials.models.LeNet5"}
LINEAR = {"_target_": "sesemi_search.models.heads.LinearHead"}
GOOD_BACKBONE = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out_features = 7
"""


def test_images_become_one_logit_per_class() -> None:
    classifier = build_classifier({**LENET, "out_features": 33}, LINEAR, num_classes=10)
    assert classifier.head.in_features == 33
    assert classifier(torch.randn(5, 3, 32, 32)).shape == (5, 10)


def test_tutorial_lenet5_has_its_published_size() -> None:
    classifier = build_classifier(LENET, {"_target_": "sesemi_tutorials.models.CosineSimilarityHead"}, 10)
    assert sum(p.numel() for p in classifier.backbone.parameters()) == 61_156
    assert sum(p.numel() for p in classifier.parameters()) == 61_156 + 84 * 10


def test_classifier_builds_on_meta() -> None:
    with torch.device("meta"):
        classifier = build_classifier(LENET, LINEAR, 10)
        assert classifier(torch.empty(2, 3, 32, 32)).shape == (2, 10)
    assert all(parameter.is_meta for parameter in classifier.parameters())


def test_a_backbone_of_another_base_class_conforms_by_its_attributes(user_module: Callable[[str], str]) -> None:
    name = user_module(GOOD_BACKBONE)
    assert build_classifier({"_target_": f"{name}.Net"}, LINEAR, 3).head.in_features == 7


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("class Net:\n    out_features = 3\n", ["Net is not a torch.nn.Module", "class Net(nn.Module)"]),
        ("class Net(nn.Module):\n    pass\n", ["Net has no attribute 'out_features'", "self.out_features = "]),
        ("class Net(nn.Module):\n    out_features = 0\n", ["Net.out_features, got 0", "at least 1"]),
        ("class Net(nn.Module):\n    out_features = '84'\n", ["Net.out_features, got '84'", "an int"]),
        ("class Net(nn.Module):\n    out_features = True\n", ["Net.out_features, got True"]),
    ],
)
def test_backbone_that_does_not_conform_is_told_what_to_write(
    user_module: Callable[[str], str], source: str, found: list[str]
) -> None:
    name = user_module(source)
    with pytest.raises(ConfigError) as raised:
        build_classifier({"_target_": f"{name}.Net"}, LINEAR, 10)
    for text in [*found, "learner.hparams.model.backbone", "Custom Backbones and Heads"]:
        assert text in str(raised.value)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("        self.in_features = in_features\n", ["Top has no attribute 'out_features'", "self.out_features = "]),
        ("        self.out_features = out_features\n", ["Top has no attribute 'in_features'"]),
        (
            "        self.in_features, self.out_features = 3, out_features\n",
            ["Top.in_features, got 3", "in_features=84"],
        ),
        ("        self.in_features, self.out_features = in_features, None\n", ["Top.out_features, got None"]),
    ],
)
def test_head_that_does_not_conform_is_told_what_to_write(
    user_module: Callable[[str], str], body: str, found: list[str]
) -> None:
    top = "class Top(nn.Module):\n    def __init__(self, in_features, out_features):\n        super().__init__()\n"
    name = user_module(top + body)
    with pytest.raises(ConfigError) as raised:
        build_classifier(LENET, {"_target_": f"{name}.Top"}, 10)
    for text in [*found, "learner.hparams.model.head", "Custom Backbones and Heads"]:
        assert text in str(raised.value)


def test_head_that_does_not_accept_in_features_is_named(user_module: Callable[[str], str]) -> None:
    name = user_module("class Top(nn.Module):\n    def __init__(self, out_features):\n        super().__init__()\n")
    with pytest.raises(ConfigError, match=r"model\.head: .*Top does not accept 'in_features'"):
        build_classifier(LENET, {"_target_": f"{name}.Top"}, 10)


@pytest.mark.parametrize(
    ("takes_labels", "arguments", "call"),
    [
        (True, "features", "(features, labels)"),
        (True, "features, labels", "(features)"),
        (False, "features, labels", "(features)"),
        (False, "", "(features)"),
    ],
)
def test_a_head_that_cannot_be_called_is_told_its_signature(
    user_module: Callable[[str], str], takes_labels: bool, arguments: str, call: str
) -> None:
    top = (
        f"class Top(nn.Linear):\n    takes_labels = {takes_labels}\n"
        f"    def forward(self, {arguments}):\n        return super().forward(features)\n"
    )
    with pytest.raises(ConfigError) as raised:
        build_classifier(LENET, {"_target_": f"{user_module(top)}.Top"}, 10)
    assert f"model.head: Top.forward({arguments}) cannot be called with {call}: " in str(raised.value)
    assert "takes_labels = True has `forward(self, features, labels=None)`" in str(raised.value)


def test_a_constructor_that_raises_is_named_with_its_arguments() -> None:
    with pytest.raises(ConfigError, match=r"LinearHead\(dropout=2\) raised ValueError"):
        build_classifier(LENET, {**LINEAR, "dropout": 2}, 10)


def test_labels_reach_a_head_that_takes_them_in_training_only(user_module: Callable[[str], str]) -> None:
    top = (
        "class Top(nn.Module):\n    takes_labels = True\n"
        "    def __init__(self, in_features, out_features):\n        super().__init__()\n"
        "        self.in_features, self.out_features, self.given = in_features, out_features, []\n"
        "    def forward(self, features, *labels):\n        self.given.append(labels)\n        return features\n"
    )
    classifier = build_classifier(LENET, {"_target_": f"{user_module(top)}.Top"}, 10)
    images, labels = torch.randn(2, 3, 32, 32), torch.tensor([1, 2])
    classifier.train()(images, labels)
    classifier.eval()(images)
    classifier(images, labels)
    assert [bool(given) for given in classifier.head.given] == [True, False, False]
    assert classifier.head.given[0][0] is labels


def test_a_head_that_does_not_take_labels_is_not_given_them() -> None:
    classifier = build_classifier(LENET, LINEAR, 10)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(classifier(images, torch.tensor([1, 2])), classifier(images))


def test_the_check_gives_labels_to_a_head_that_takes_them(user_module: Callable[[str], str]) -> None:
    top = (
        "class Top(nn.Linear):\n    takes_labels = True\n"
        "    def forward(self, features, labels=None):\n"
        "        if labels is not None:\n            raise LookupError(f'given labels {tuple(labels.shape)}')\n"
        "        return super().forward(features)\n"
    )
    model = {
        "backbone": LENET,
        "head": {"_target_": f"{user_module(top)}.Top"},
        "loss": {"_target_": "torch.nn.CrossEntropyLoss"},
    }
    config = {
        "data": {"channels": 3, "image_size": 32},
        "learner": {"hparams": {"num_classes": 10, "model": model}},
    }
    with pytest.raises(ConfigError, match=r"Top fails on features .* from LeNet5: .* given labels \(2,\)"):
        Architectures().measure(config)
    model["head"] = {"_target_": "sesemi_search.models.heads.ArcFaceHead"}
    assert Architectures().measure(config).num_params == 61_156 + 84 * 10
