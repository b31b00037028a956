"""What a trial's config has in place of what the experiment leaves open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import load_experiment, to_yaml
from sesemi_search.data import LabelledImages
from sesemi_search.errors import ConfigError
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import Checked, check_space
from sesemi_search.search.preparation import Prepared, prepare
from sesemi_search.search.trial_config import common_image_size, make_resolver

BACKBONE = "learner.hparams.model.backbone"
OPEN = ["data.mean=null", "data.std=null"]
TIMM = "_target_: sesemi_search.models.backbones.TimmBackbone"


@pytest.fixture
def checked(project: Path) -> Callable[..., tuple[Prepared, Checked]]:
    """A space over timm's models, checked."""

    def make(options: dict[str, str], *overrides: str) -> tuple[Prepared, Checked]:
        nodes = ", ".join(f"{name}: {{{TIMM}, {arguments}}}" for name, arguments in options.items())
        choice = f"space.{BACKBONE}={{choice: {{{nodes}}}}}"
        one_head = "space.learner.hparams.model.head=linear"
        request = Request(search=True, overrides=["space=tiny", choice, one_head, *overrides], project=project)
        prepared = prepare(compose_config(request))
        return prepared, check_space(prepared.space, prepared.experiment, Architectures())

    return make


def images(value: int) -> LabelledImages:
    """Eight images, half of them black."""
    pixels = np.full((8, 3, 64, 64), value, dtype=np.uint8)
    pixels[::2] = 0
    return LabelledImages(pixels, np.arange(8) % 2)


def test_each_trial_is_normalized_as_its_own_backbone_expects(
    checked: Callable[..., tuple[Prepared, Checked]], tmp_path: Path, said: list[str]
) -> None:
    options = {
        "fresh": "name: test_resnet",
        "halves": "name: test_resnet, pretrained: true",
        "imagenet": "name: resnet10t, pretrained: true",
    }
    prepared, found = checked(options, "data.image_size=64", *OPEN)
    said.clear()
    resolve = make_resolver(prepared.settings.data, found, images(51))
    assert said == ["data.mean=[0.1, 0.1, 0.1] and data.std=[0.1, 0.1, 0.1], measured on train"]
    means: dict[str, Any] = {}
    for branch in found.branches:
        config = resolve(prepared.space.apply(prepared.experiment, branch.low.params))
        (tmp_path / "config.yaml").write_text(to_yaml(config))
        data = load_experiment(tmp_path / "config.yaml")["data"]  # as a worker reads it
        means[str(branch.choices[BACKBONE])] = (data["mean"], data["std"])
    assert means == {
        "fresh": ([0.1] * 3, [0.1] * 3),
        "halves": ([0.5] * 3, [0.5] * 3),
        "imagenet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    }


def test_nothing_is_measured_that_no_branch_needs(checked: Callable[..., tuple[Prepared, Checked]]) -> None:
    prepared, found = checked({"one": "name: test_resnet, pretrained: true"}, "data.image_size=64", *OPEN)
    make_resolver(prepared.settings.data, found, images(0))  # black has no deviation


def test_the_size_of_all_backbones_is_the_size_of_the_images(
    checked: Callable[..., tuple[Prepared, Checked]],
) -> None:
    names = {"a": "name: test_resnet", "b": "name: test_vit"}
    _, found = checked(names, "data.image_size=null")
    assert common_image_size(found) == 160


def test_a_space_of_backbones_of_different_sizes_takes_one(checked: Callable[..., tuple[Prepared, Checked]]) -> None:
    options = {"a": "name: test_resnet", "b": "name: resnet10t"}
    _, found = checked(options, "data.image_size=null")
    with pytest.raises(ConfigError, match=r"different sizes: 160 \(test_resnet\), 176 \(resnet10t\)\. A search"):
        common_image_size(found)
    _, found = checked(options, "data.image_size=64")
    assert common_image_size(found) == 64
