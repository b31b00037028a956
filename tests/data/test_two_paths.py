"""In memory and streamed: one interface, and the same batches for the same seed."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sesemi_search.config.schema import DataConfig, RunConfig
from sesemi_search.data import (
    Images,
    ImageSplit,
    InMemoryImages,
    LabelledImages,
    StoredImages,
    StreamedImages,
    load_splits,
    open_images,
)
from sesemi_search.data.memory import release_memory
from sesemi_search.training.seeds import seed_epoch

Open = Callable[..., Images]
AUGMENT = "sesemi_search.data.augment."
BATCHED = [
    {"_target_": AUGMENT + "RandomCrop", "padding": 2},
    {"_target_": AUGMENT + "RandomHorizontalFlip"},
    {"_target_": AUGMENT + "ColorJitter", "brightness": 0.3},
]
OF_ONE = [
    {"_target_": "torchvision.transforms.v2.RandomResizedCrop", "size": 12, "antialias": True},
    {"_target_": "torchvision.transforms.v2.RandomHorizontalFlip"},
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> DataConfig:
    """45 noisy photos of three classes, of many sizes."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(45):
        (folder / "abc"[number % 3]).mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (10 + number % 7, 11 + number % 5, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "abc"[number % 3] / f"{number:02d}.png")
    source = {"_target_": "sesemi_search.data.folder.ImageFolder", "folder": str(folder)}
    return DataConfig(source, None, 12, 3, 9, 6, 0, mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4])


@pytest.fixture
def opened(config: DataConfig) -> Open:
    def open_path(in_memory: bool, transforms: Any = None, name: str = "train", num_workers: int = 0) -> Images:
        data = replace(config, train_transforms=transforms)
        split = load_splits(data, Path("none"), [name], 0.25 if in_memory else 0.0)[name]
        run = RunConfig(num_workers=num_workers, prefetch_factor=3)
        return open_images(name, split, data, run)

    return open_path


def epoch(images: Images, seed: int = 1, drop_last: bool = True) -> tuple[list[tuple[Tensor, Tensor]], float]:
    """The batches of an epoch as the fit loop takes them, and what dropout would draw after them."""
    seed_epoch(seed, 1)
    order = torch.randperm(len(images))
    batches = list(images.batches(8, order, drop_last))
    return batches, float(torch.rand(()))


def assert_equal(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> None:
    assert len(one) == len(other)
    for (images, labels), (other_images, other_labels) in zip(one, other, strict=True):
        assert torch.equal(images, other_images)
        assert torch.equal(labels, other_labels)


def test_what_is_in_memory_takes_the_fast_path_and_what_is_not_streams(opened: Open) -> None:
    assert isinstance(opened(True), InMemoryImages)
    assert isinstance(opened(True, BATCHED), InMemoryImages)
    assert isinstance(opened(True, OF_ONE), StreamedImages)
    assert isinstance(opened(True, OF_ONE, name="val"), InMemoryImages)
    assert isinstance(opened(False), StreamedImages)


@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "streamed"])
def test_both_keep_the_interface(opened: Open, in_memory: bool) -> None:
    images: Images = opened(in_memory)
    assert (len(images), images.device.type) == (30, "cpu")
    assert np.bincount(images.labels).tolist() == [10, 10, 10]
    for drop_last, sizes in ((False, [8, 8, 8, 6]), (True, [8, 8, 8])):
        assert [len(labels) for _, labels in images.batches(8, drop_last=drop_last)] == sizes
        assert images.num_batches(8, drop_last) == len(sizes)
    batch, labels = next(images.batches(8, torch.tensor([3, 3, 0])))
    assert (batch.shape, batch.dtype, labels.dtype) == ((3, 3, 12, 12), torch.float32, torch.int64)
    assert torch.equal(batch[0], batch[1])
    assert labels.tolist() == images.labels[[3, 3, 0]].tolist()
    before = batch.clone()
    batch.fill_(7)
    assert torch.equal(next(images.batches(8, torch.tensor([3, 3, 0])))[0], before)


@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "streamed"])
def test_fewer_images_than_a_full_batch_give_none(opened: Open, in_memory: bool) -> None:
    assert list(opened(in_memory).batches(31, drop_last=True)) == []


@pytest.mark.parametrize("transforms", [None, BATCHED], ids=["plain", "transformed"])
@pytest.mark.parametrize("name", ["train", "val"])
def test_both_give_the_same_batches_for_the_same_seed(opened: Open, transforms: Any, name: str) -> None:
    memory, memory_next = epoch(opened(True, transforms, name), drop_last=False)
    streamed, streamed_next = epoch(opened(False, transforms, name), drop_last=False)
    assert_equal(memory, streamed)
    # Nothing of the loader's draws from the generator that initializes and drops out.
    assert memory_next == streamed_next


@pytest.mark.parametrize("transforms", [OF_ONE, [*OF_ONE, *BATCHED], [*BATCHED, *OF_ONE]])
def test_transforms_of_one_image_are_the_same_wherever_the_images_are(opened: Open, transforms: Any) -> None:
    memory, streamed = opened(True, transforms), opened(False, transforms)
    (first, after), (second, after_second) = epoch(memory), epoch(streamed)
    assert_equal(first, second)
    assert after == after_second
    assert_equal(epoch(streamed)[0], first)
    assert not torch.equal(epoch(streamed, seed=2)[0][0][0], first[0][0])


def test_loader_processes_change_nothing_and_stay_for_all_epochs(opened: Open) -> None:
    alone = opened(False, [*OF_ONE, *BATCHED])
    images = opened(False, [*OF_ONE, *BATCHED], num_workers=2)
    for seed in (1, 2):
        (batches, after), (expected, expected_after) = epoch(images, seed), epoch(alone, seed)
        assert_equal(batches, expected)
        assert after == expected_after
    next(images.batches(8))  # a pass that is left in the middle
    assert_equal(epoch(images)[0], epoch(alone)[0])


def test_without_loader_processes_a_prefetch_factor_does_not_raise(opened: Open) -> None:
    assert len(epoch(opened(False, num_workers=0))[0]) == 3


def test_without_transforms_an_epoch_draws_nothing(opened: Open) -> None:
    seed_epoch(1, 1)
    torch.randperm(30)
    expected = float(torch.rand(()))
    assert epoch(opened(True))[1] == expected


def test_validation_images_are_not_transformed(opened: Open) -> None:
    assert_equal(epoch(opened(True, BATCHED, "val"))[0], epoch(opened(True, None, "val"))[0])
    assert not torch.equal(epoch(opened(True, BATCHED))[0][0][0], epoch(opened(True))[0][0][0])


def test_every_epoch_transforms_anew(opened: Open) -> None:
    images = opened(True, BATCHED)
    seed_epoch(1, 1)
    first = next(images.batches(8))[0]
    seed_epoch(1, 2)
    assert not torch.equal(first, next(images.batches(8))[0])


def test_a_streamed_split_crosses_processes_as_a_recipe(config: DataConfig) -> None:
    split = load_splits(config, Path("none"), ["train"], 0.0)["train"]
    content = pickle.dumps(split)
    assert len(content) < 3_000
    again: ImageSplit = pickle.loads(content)
    indices = np.arange(len(split))
    assert np.array_equal(again.take(indices), split.take(indices))


def test_the_smallest_splits_come_into_memory_first_and_it_is_said(
    config: DataConfig, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    # 30, 9 and 6 images of 432 bytes; room for the two smaller splits.
    monkeypatch.setattr("sesemi_search.data.loading.available_bytes", lambda: 4 * 432 * 20)
    splits = load_splits(config, Path("none"), ("train", "val", "test"), 0.25)
    assert [type(split) for split in splits.values()] == [StoredImages, LabelledImages, LabelledImages]
    assert said == [
        "data: test, 6 images (0 MB), in memory",
        "data: val, 9 images (0 MB), in memory",
        "data: train, 30 images (0 MB), streamed, as it is more than run.memory_share=0.25 leaves room for",
    ]


def test_arrays_too_large_at_the_models_size_are_resized_on_the_way(tmp_path: Path) -> None:
    source = {"_target_": "sesemi_search.data.sources.MNIST5k"}
    data = DataConfig(source, None, 40, 3, 20, 4900, 0, mean=[0.1] * 3, std=[0.3] * 3)
    memory, stored = (load_splits(data, tmp_path, ["train"], share)["train"] for share in (0.25, 0.0))
    assert isinstance(stored, StoredImages)
    assert np.array_equal(memory.take(np.arange(80)), stored.take(np.arange(80)))
    assert np.array_equal(memory.labels, stored.labels)


@pytest.mark.gpu
def test_what_the_last_trial_left_on_a_gpu_is_room_for_images(config: DataConfig) -> None:
    split = load_splits(config, Path("none"), ["train"])["train"]
    release_memory(torch.device("cuda"))
    free, total = torch.cuda.mem_get_info()
    left = [torch.empty(free // 2, dtype=torch.uint8, device="cuda")]
    left.append(left)  # in a circle, as a model with hooks is
    share = split.images.nbytes / (0.75 * free)
    assert isinstance(open_images("train", split, config, RunConfig(memory_share=share), "cuda"), StreamedImages)
    del left
    assert isinstance(open_images("train", split, config, RunConfig(memory_share=share), "cuda"), InMemoryImages)
    assert torch.cuda.memory_reserved() < total / 4


@pytest.mark.gpu
def test_what_a_gpu_has_no_room_for_comes_batch_by_batch(config: DataConfig) -> None:
    split = load_splits(config, Path("none"), ["train"])["train"]
    data = replace(config, train_transforms=BATCHED)
    held, passed = (open_images("train", split, data, RunConfig(memory_share=share), "cuda") for share in (0.25, 0.0))
    assert isinstance(held, InMemoryImages)
    assert isinstance(passed, StreamedImages)
    assert_equal(epoch(held)[0], epoch(passed)[0])
