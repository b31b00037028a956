"""Batches: right in their numbers, and never a way back to the pixels that trials share."""

import tracemalloc

import numpy as np
import pytest
import torch

from sesemi_search.data import InMemoryImages, LabelledImages, Preparation

MEAN, STD = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]


def labelled(channels: int, writeable: bool) -> LabelledImages:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, channels, 8, 8), dtype=np.uint8)
    labels = np.arange(10)
    # As Ray's object store hands arrays out.
    images.flags.writeable = labels.flags.writeable = writeable
    return LabelledImages(images, labels)


@pytest.fixture(params=[True, False], ids=["writable", "read-only"])
def writeable(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(params=[1, 3], ids=["gray", "color"])
def split(request: pytest.FixtureRequest, writeable: bool) -> LabelledImages:
    return labelled(request.param, writeable)


@pytest.fixture
def memory(split: LabelledImages) -> InMemoryImages:
    return InMemoryImages(split, Preparation(MEAN, STD, channels=3))


def test_batches_are_normalized_in_the_order_given(memory: InMemoryImages, split: LabelledImages) -> None:
    order = torch.tensor([7, 1, 1, 4])
    batches = list(memory.batches(3, order))
    assert [images.shape for images, _ in batches] == [(3, 3, 8, 8), (1, 3, 8, 8)]
    expected = torch.from_numpy(split.images[order.numpy()]).float() / 255
    expected = (expected - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(torch.cat([images for images, _ in batches]), expected)
    assert torch.cat([labels for _, labels in batches]).tolist() == order.tolist()
    assert batches[0][0].dtype == torch.float32
    assert batches[0][1].dtype == torch.int64


def test_all_images_come_in_order_without_one(memory: InMemoryImages) -> None:
    assert torch.cat([labels for _, labels in memory.batches(4)]).tolist() == list(range(10))


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_number_of_batches_is_known_beforehand(memory: InMemoryImages, drop_last: bool, sizes: list[int]) -> None:
    assert [len(labels) for _, labels in memory.batches(4, drop_last=drop_last)] == sizes
    assert memory.num_batches(4, drop_last) == len(sizes)


def test_a_batch_changed_in_place_changes_nothing_else(memory: InMemoryImages, split: LabelledImages) -> None:
    pixels, classes = split.images.copy(), split.labels.copy()
    before = [(images.clone(), labels.clone()) for images, labels in memory.batches(4)]
    for images, labels in memory.batches(4):
        images.add_(1000)
        labels.fill_(-1)
    for (images, labels), (old_images, old_labels) in zip(memory.batches(4), before, strict=True):
        assert torch.equal(images, old_images)
        assert torch.equal(labels, old_labels)
    assert np.array_equal(split.images, pixels)
    assert np.array_equal(split.labels, classes)


def test_channels_of_a_gray_batch_share_no_memory() -> None:
    images, _ = next(InMemoryImages(labelled(1, False), Preparation(MEAN, STD, channels=3)).batches(4))
    first = images[:, 0].clone()
    images[:, 1:].zero_()
    assert torch.equal(images[:, 0], first)


def test_neutral_normalization_leaks_no_view() -> None:
    split = labelled(1, True)
    images, _ = next(InMemoryImages(split, Preparation([0.0], [1 / 255], channels=1)).batches(10))
    images.zero_()
    assert split.images.any()


@pytest.mark.parametrize(("mean", "std", "channels"), [(MEAN, STD, 2), (MEAN[:1], STD, 3), (MEAN, STD[:2], 3)])
def test_numbers_that_do_not_fit_together_are_refused(mean: list[float], std: list[float], channels: int) -> None:
    with pytest.raises(ValueError, match="channels="):
        Preparation(mean, std, channels)


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"channels=1, but images are \(10, 3, 8, 8\)"):
        InMemoryImages(labelled(3, True), Preparation([0.5], [0.5], 1))


def test_pixels_on_another_device_are_gathered_there(split: LabelledImages) -> None:
    # The meta device stands in for a GPU: it has shapes and places, and no numbers.
    memory = InMemoryImages(split, Preparation(MEAN, STD, 3, "meta"))
    (images, labels), _ = memory.batches(3, torch.tensor([5, 0, 2, 2]))
    assert (images.device.type, labels.device.type) == ("meta", "meta")
    assert (images.shape, images.dtype, labels.dtype) == ((3, 3, 8, 8), torch.float32, torch.int64)


def test_pixels_go_to_another_device_without_a_copy_on_the_way() -> None:
    split = LabelledImages(np.zeros((1000, 1, 64, 64), dtype=np.uint8), np.zeros(1000, dtype=np.int64))
    split.images.flags.writeable = False
    preparation = Preparation(MEAN, STD, 3, "meta")
    tracemalloc.start()
    InMemoryImages(split, preparation)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < split.images.nbytes / 10


@pytest.mark.gpu
def test_batches_on_a_gpu_are_those_of_the_cpu(split: LabelledImages) -> None:
    order = torch.tensor([3, 9, 0])
    on_cpu, on_gpu = (InMemoryImages(split, Preparation(MEAN, STD, 3, device)) for device in ("cpu", "cuda"))
    for (images, labels), (gpu_images, gpu_labels) in zip(
        on_cpu.batches(2, order), on_gpu.batches(2, order), strict=True
    ):
        torch.testing.assert_close(gpu_images.cpu(), images)
        assert torch.equal(gpu_labels.cpu(), labels)
