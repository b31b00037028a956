"""Random transforms from the config: what is wrong is said before the start."""

import random
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sesemi_search.data.augment import RandomCrop
from sesemi_search.data.transforms import apply_to_image, build_transforms, check_transforms

CROP = {"_target_": "sesemi_search.data.augment.RandomCrop", "padding": 2}
V2 = "torchvision.transforms.v2."


@pytest.mark.parametrize(
    "nodes",
    [
        None,
        [],
        [CROP],
        [{"_target_": V2 + "RandAugment"}, CROP],
        [{"_target_": V2 + "Resize", "size": [40, 40]}, {"_target_": V2 + "RandomCrop", "size": 32}],
        [{"_target_": V2 + "ToPILImage"}, {"_target_": V2 + "TrivialAugmentWide"}, {"_target_": V2 + "PILToTensor"}],
    ],
)
def test_what_ends_as_it_began_is_right(nodes: Any) -> None:
    assert check_transforms(nodes, 32, 3) == []


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ("crop", "data.train_transforms: got 'crop'; it takes a list"),
        ({"_target_": V2 + "Compose", "transforms": []}, "transforms: got {.*; it takes a list .* without a Compose"),
        ([CROP, "flip"], "data.train_transforms.1: got 'flip'; it takes a mapping with a _target_"),
        ([{**CROP, "paddings": 3}], "data.train_transforms.0.paddings: .* Did you mean 'padding'"),
        ([{**CROP, "padding": -3}], "data.train_transforms.0.padding: .*RandomCrop.* raised ValueError: padding=-3"),
        ([CROP, {"_target_": V2 + "RandomCrop", "size": 24}], r"transforms.1: .* gave torch.uint8 \(3, 24, 24\)"),
        ([{"_target_": V2 + "ToDtype", "dtype": "x"}], "data.train_transforms.0: .*ToDtype failed|raised"),
        (
            [{"_target_": V2 + "RandomCrop", "size": 64}],
            "transforms.0: torchvision.transforms.v2.RandomCrop failed on an image of 3x32x32: ValueError",
        ),
        (
            [{"_target_": "torchvision.transforms.ToTensor"}],
            r"ToTensor failed on .*Got <class 'torch.Tensor'>\. Images are uint8 tensors here.* Leave out ToTensor",
        ),
        ([{"_target_": "torchvision.transforms.ToPILImage"}], "gave a Image, and a model's images .* are uint8"),
        ([{"_target_": "collections.OrderedDict"}], "gave a OrderedDict, which is no transform"),
    ],
)
def test_a_mistake_is_named_with_its_place(nodes: Any, says: str) -> None:
    (problem,) = check_transforms(nodes, 32, 3)
    assert re.search(says, str(problem)), problem


def test_floats_are_told_that_normalization_follows() -> None:
    node = {"_target_": V2 + "ToDtype", "dtype": {"_target_": "hydra.utils.get_object", "path": "torch.float32"}}
    (problem,) = check_transforms([node], 32, 3)
    assert "gave torch.float32 (3, 32, 32)" in problem.text
    assert "normalization is data.mean and data.std, and follows by itself" in problem.text


def test_the_last_ones_that_work_on_batches_run_on_the_device() -> None:
    flip = {"_target_": V2 + "RandomHorizontalFlip"}
    of_images, of_batches = build_transforms([CROP, flip, CROP, CROP])
    assert [type(each).__name__ for each in of_images] == ["RandomCrop", "RandomHorizontalFlip"]
    assert [type(each) for each in of_batches] == [RandomCrop, RandomCrop]
    assert build_transforms(None) == ([], [])


def test_a_users_transform_may_draw_from_any_generator_and_disturbs_none() -> None:
    drawn = []

    def transform(image: Tensor) -> Tensor:
        drawn.append((random.random(), float(np.random.rand()), float(torch.rand(()))))
        return image

    image = torch.zeros((3, 4, 4), dtype=torch.uint8)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    for seed in (5, 6, 5):
        apply_to_image([transform], image, seed)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    assert drawn[0] == drawn[2] != drawn[1]
