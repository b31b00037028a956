"""Random transforms of batches: each image as if it were alone, each with its own draw, the same for the same seed."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from sesemi_search.data.augment import (
    BatchTransform,
    ColorJitter,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomRotation,
)

COUNT = 64


def crop(image: Tensor, row: list[float]) -> Tensor:
    top, left = int(row[0]), int(row[1])
    return tv.crop(tv.pad(image, [3]), top, left, *image.shape[-2:])


def flip(image: Tensor, row: list[float]) -> Tensor:
    return tv.horizontal_flip(image) if row[0] else image


def erase(image: Tensor, row: list[float]) -> Tensor:
    top, left, bottom, right = map(int, row)
    return tv.erase(image, top, left, bottom - top, right - left, torch.zeros(1, 1, 1, dtype=torch.uint8))


def rotate(image: Tensor, row: list[float]) -> Tensor:
    return tv.rotate(image, row[0], tv.InterpolationMode.BILINEAR)


def jitter(image: Tensor, row: list[float]) -> Tensor:
    changed = tv.adjust_brightness(image.float() / 255, row[0])
    # torchvision rounds the mean gray of an image of bytes, not of one of floats.
    changed = tv.adjust_contrast(changed, row[1])
    return (tv.adjust_saturation(changed, row[2]) * 255).round().to(torch.uint8)


# Each transform, torchvision's of one image with the numbers of its row, and how many gray levels they may differ in:
# one where both interpolate in another order of operations.
CASES: list[tuple[BatchTransform, Callable[[Tensor, list[float]], Tensor], int]] = [
    (RandomCrop(3), crop, 0),
    (RandomHorizontalFlip(0.5), flip, 0),
    (RandomErasing(0.7, (0.05, 0.5)), erase, 0),
    (RandomRotation(30), rotate, 1),
    (ColorJitter(0.4, 0.4, 0.4), jitter, 1),
]
IDS = [type(case[0]).__name__ for case in CASES]


def batch(channels: int = 3, height: int = 20, width: int = 16) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (COUNT, channels, height, width), dtype=np.uint8))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("transform", "of_one", "levels"), CASES, ids=IDS)
def test_a_batch_is_transformed_as_each_of_its_images(
    transform: BatchTransform, of_one: Callable[[Tensor, list[float]], Tensor], levels: int, channels: int
) -> None:
    images = batch(channels)
    drawn = transform.draw(images.shape, seeded())
    done = transform.apply(images.clone(), drawn)
    assert (done.shape, done.dtype) == (images.shape, torch.uint8)
    for image, row, result in zip(images, drawn.tolist(), done, strict=True):
        assert (of_one(image, row).int() - result.int()).abs().max() <= levels
    alone = [transform.apply(images[i : i + 1].clone(), drawn[i : i + 1]) for i in range(COUNT)]
    assert torch.equal(torch.cat(alone), done)
    assert not torch.equal(done, images)


@pytest.mark.parametrize("transform", [case[0] for case in CASES], ids=IDS)
def test_every_image_has_a_draw_of_its_own_and_the_seed_fixes_them(transform: BatchTransform) -> None:
    shape = batch().shape
    drawn = transform.draw(shape, seeded(3))
    assert len(drawn) == COUNT
    assert len(torch.unique(drawn, dim=0)) > (1 if drawn.dtype == torch.bool else COUNT // 4)
    assert torch.equal(drawn, transform.draw(shape, seeded(3)))
    assert not torch.equal(drawn, transform.draw(shape, seeded(4)))


@pytest.mark.parametrize("transform", [case[0] for case in CASES], ids=IDS)
def test_transforms_work_where_the_images_are(transform: BatchTransform) -> None:
    # The meta device stands in for a GPU: it has shapes and places, and no numbers.
    images = batch().to("meta")
    done = transform.apply(images, transform.draw(images.shape, seeded()).to("meta"))
    assert (done.device.type, done.shape, done.dtype) == ("meta", images.shape, torch.uint8)


@pytest.mark.parametrize(
    "transform",
    [RandomCrop(0), RandomHorizontalFlip(0.0), RandomErasing(0.0), RandomRotation(0), ColorJitter()],
    ids=IDS,
)
def test_the_least_of_a_transform_is_nothing(transform: BatchTransform) -> None:
    images = batch()
    assert torch.equal(transform.apply(images.clone(), transform.draw(images.shape, seeded())), images)


def test_draws_cover_their_range_evenly() -> None:
    shape = torch.Size((20_000, 3, 32, 32))
    crops = RandomCrop(2).draw(shape, seeded())
    counts = torch.bincount(crops[:, 0] * 5 + crops[:, 1], minlength=25)
    assert (counts / 20_000 - 1 / 25).abs().max() < 0.01
    assert abs(float(RandomHorizontalFlip(0.3).draw(shape, seeded()).float().mean()) - 0.3) < 0.02
    angles = RandomRotation(15).draw(shape, seeded())
    assert -15 <= angles.min() < -14.9
    assert 14.9 < angles.max() <= 15
    top, left, bottom, right = RandomErasing(0.5, (0.1, 0.2)).draw(shape, seeded()).T
    area = (bottom - top) * (right - left) / 32**2
    erased = area[area > 0]
    assert abs(len(erased) / 20_000 - 0.5) < 0.02
    assert 0.08 < erased.min()
    assert erased.max() < 0.22
    assert int(bottom.max()) <= 32
    assert int(right.max()) <= 32


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: RandomCrop(-1), "padding=-1"),
        (lambda: RandomHorizontalFlip(1.5), "p=1.5"),
        (lambda: RandomErasing(0.5, (0.5, 0.1)), "scale="),
        (lambda: ColorJitter(contrast=2), "contrast=2"),
        (lambda: RandomRotation(-3), "degrees=-3"),
    ],
)
def test_numbers_out_of_range_are_refused(build: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build()


@pytest.mark.gpu
@pytest.mark.parametrize("transform", [case[0] for case in CASES], ids=IDS)
def test_a_gpu_does_what_the_cpu_does(transform: BatchTransform) -> None:
    images = batch()
    drawn = transform.draw(images.shape, seeded())
    on_gpu = transform.apply(images.cuda(), drawn.cuda()).cpu()
    assert (on_gpu.int() - transform.apply(images.clone(), drawn).int()).abs().max() <= 1
