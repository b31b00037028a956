"""What pretrained weights were trained on, held against the data section."""

import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from sesemi_search.config.experiment import plain
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.errors import ConfigError
from sesemi_search.models.backbones import TimmBackbone, TorchVisionBackbone
from sesemi_search.models.expected_input import (
    ExpectedInput,
    describe_difference,
    describe_followed,
    follow_backbone,
)
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import check_experiment, check_space
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "image_size": 64}
HALVES = {"mean": [0.5] * 3, "std": [0.5] * 3, "image_size": 64}
TIMM = "sesemi_search.models.backbones.TimmBackbone"
VISION = "sesemi_search.models.backbones.TorchVisionBackbone"


@pytest.mark.parametrize(
    ("backbone", "name", "expected"),
    [
        (TimmBackbone, "vit_tiny_patch16_224", ((0.5,) * 3, (0.5,) * 3, 224)),
        (TimmBackbone, "resnet10t", (tuple(IMAGENET["mean"]), tuple(IMAGENET["std"]), 176)),
        (TorchVisionBackbone, "resnet18", (tuple(IMAGENET["mean"]), tuple(IMAGENET["std"]), 224)),
    ],
)
def test_a_backbone_says_what_it_was_trained_on(backbone: Any, name: str, expected: tuple[Any, ...]) -> None:
    assert backbone.expected_input(name) == ExpectedInput(*expected)


@pytest.mark.parametrize(
    ("node", "data", "differs"),
    [
        ({"name": "vit_tiny_patch16_224", "pretrained": True}, IMAGENET, True),
        ({"name": "vit_tiny_patch16_224", "pretrained": True}, HALVES, False),
        ({"name": "resnet10t", "pretrained": True}, IMAGENET, False),
        ({"name": "resnet10t", "pretrained": True}, {**IMAGENET, "mean": [0.48, 0.46, 0.41]}, False),
        ({"name": "resnet10t", "pretrained": True}, {**IMAGENET, "mean": [0.49], "std": [0.23]}, True),
        ({"name": "resnet10t", "pretrained": False}, HALVES, False),
        ({"name": "resnet10t"}, HALVES, False),
    ],
)
def test_a_difference_is_described(node: dict[str, Any], data: dict[str, Any], differs: bool) -> None:
    line = describe_difference({"_target_": TIMM, **node}, data)
    assert (line is not None) is differs
    if line is not None:
        assert line.startswith(f"{node['name']} was pretrained on images of data.mean=")
        assert str(data["mean"]) in line


def test_a_backbone_that_does_not_say_is_passed_over() -> None:
    node = {"_target_": "sesemi_search.models.backbones.MLP", "name": "any", "pretrained": True}
    assert describe_difference(node, HALVES) is None


@pytest.fixture
def config() -> dict[str, Any]:
    """An experiment of a pretrained model of timm on images that are not normalized as its own."""
    config = plain(OmegaConf.structured(ExperimentConfig()))
    source = {"_target_": "sesemi_search.data.sources.MNIST5k"}
    config["data"] |= {
        **HALVES,
        "source": source,
        "test_source": None,
        "channels": 3,
        "val_size": 500,
        "test_size": 500,
        "split_seed": 0,
    }
    config["learner"]["hparams"] |= {"num_classes": 10, "optimizer": {"_target_": "torch.optim.SGD"}}
    config["learner"]["hparams"]["model"] |= {
        "backbone": {"_target_": TIMM, "name": "resnet10t", "pretrained": True},
        "head": {"_target_": "sesemi_search.models.heads.LinearHead"},
        "loss": {"_target_": "torch.nn.CrossEntropyLoss"},
    }
    return config


def test_the_check_says_a_difference_and_downloads_nothing(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    notes = check_experiment(config)
    assert len(notes) == 1
    assert notes[0].startswith("resnet10t was pretrained on images of data.mean=[0.485, 0.456, 0.406]")
    assert list(tmp_path.iterdir()) == []


def test_a_space_over_names_is_checked_name_by_name(config: dict[str, Any]) -> None:
    names = ["resnet10t", "mobilenetv3_small_100", "resnet18e"]
    space = {"learner": {"hparams": {"model": {"backbone": {"name": {"choice": names}}}}}}
    checked = check_space(Space(parse_space(space)), config, Architectures())
    assert [branch.problems for branch in checked.branches][:2] == [[], []]
    assert [note.split()[0] for note in checked.notes] == names[:2]
    (problem,) = checked.describe_problems()
    assert re.search(r"name='resnet18e'.*Did you mean 'resnet18'\?.*name=resnet18e", problem.text)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"_target_": TIMM, "name": "vit_tiny_patch16_384", "pretrained": True}, (384, [0.5] * 3, [0.5] * 3)),
        ({"_target_": TIMM, "name": "vit_tiny_patch16_384", "checkpoint": "weights.pt"}, (384, [0.5] * 3, [0.5] * 3)),
        ({"_target_": TIMM, "name": "vit_tiny_patch16_384", "pretrained": False}, (384, None, None)),
        ({"_target_": VISION, "name": "resnet18", "pretrained": True}, (224, IMAGENET["mean"], IMAGENET["std"])),
    ],
)
def test_what_is_open_follows_the_backbone(
    config: dict[str, Any], node: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    config["learner"]["hparams"]["model"]["backbone"] = node
    config["data"] |= {"image_size": None, "mean": None, "std": None}
    followed = follow_backbone(config)
    assert tuple(followed["data"][key] for key in ("image_size", "mean", "std")) == expected
    (line,) = describe_followed(config, followed)
    assert line.startswith(f"data.image_size={expected[0]}")
    assert line.endswith(f", as {node['name']} expects")


def test_what_is_set_stays(config: dict[str, Any]) -> None:
    config["data"] |= {"image_size": 64, "mean": [0.1] * 3, "std": None}
    assert follow_backbone(config)["data"] == {**config["data"], "std": IMAGENET["std"]}
    config["data"]["std"] = [0.2] * 3
    assert describe_followed(config, follow_backbone(config)) == []


def test_one_gray_channel_is_normalized_by_its_own_images(config: dict[str, Any]) -> None:
    config["data"] |= {"image_size": 64, "channels": 1, "mean": None, "std": None}
    assert follow_backbone(config) == config


def test_a_size_that_nobody_gives_is_an_error(config: dict[str, Any]) -> None:
    config["data"]["image_size"] = None
    config["learner"]["hparams"]["model"]["backbone"] = {"_target_": "sesemi_search.models.backbones.MLP"}
    with pytest.raises(ConfigError, match=r"data\.image_size: got None, and .*MLP does not say which size"):
        follow_backbone(config)


def test_what_refers_to_the_open_size_has_it_too(config: dict[str, Any]) -> None:
    node = {"_target_": TIMM, "name": "resnet10t", "image_size": "${data.image_size}"}
    config["learner"]["hparams"]["model"]["backbone"] = node
    config["data"] |= {"image_size": None, "train_transforms": [{"_target_": "own.Crop", "size": "${data.image_size}"}]}
    followed = follow_backbone(config)
    assert followed["data"]["train_transforms"][0]["size"] == 176
    assert followed["learner"]["hparams"]["model"]["backbone"]["image_size"] == 176


def test_an_argument_that_is_not_written_is_the_default(config: dict[str, Any]) -> None:
    config["learner"]["hparams"]["model"]["backbone"] = {"_target_": TIMM, "pretrained": True}  # of resnet50d
    config["data"] |= {"image_size": None, "mean": None, "std": None}
    followed = follow_backbone(config)["data"]
    assert (followed["image_size"], followed["mean"], followed["std"]) == (224, IMAGENET["mean"], IMAGENET["std"])


class Wrong:
    """A user's backbone whose answer is none."""

    def __init__(self, name: str) -> None:
        pass

    @staticmethod
    def expected_input(name: str) -> Any:
        return {"pair": (224, 224)}[name]


@pytest.mark.parametrize(
    ("name", "says"), [("other", "'other') raised KeyError: 'other'"), ("pair", "'pair') gave a tuple; it gives an")]
)
def test_an_answer_that_is_none_is_a_mistake_of_the_backbone(config: dict[str, Any], name: str, says: str) -> None:
    config["learner"]["hparams"]["model"]["backbone"] = {"_target_": f"{__name__}.Wrong", "name": name}
    config["data"]["mean"] = None
    with pytest.raises(ConfigError, match=re.escape(f"{__name__}.Wrong.expected_input({says}")):
        follow_backbone(config)


def test_a_name_that_there_is_not_is_told_by_its_own_key(config: dict[str, Any]) -> None:
    config["learner"]["hparams"]["model"]["backbone"] = {"_target_": TIMM, "name": "resnet10x"}
    config["data"]["mean"] = None
    with pytest.raises(ConfigError, match=r"^learner\.hparams\.model\.backbone\.name: name='resnet10x'; timm"):
        follow_backbone(config)
