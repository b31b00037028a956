"""The rule by which stored images reach the model's size."""

import numpy as np
import pytest

from sesemi_search.data import LabelledImages
from sesemi_search.data.decode import to_size


def images(channels: int = 1, height: int = 28, width: int = 28) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, channels, height, width), dtype=np.uint8)


def test_images_of_the_right_size_are_left_alone() -> None:
    pixels = images()
    assert to_size(pixels, 28) is pixels


def test_digits_get_two_zeros_a_side() -> None:
    pixels = images()
    padded = to_size(pixels, 32)
    assert np.array_equal(padded[:, :, 2:-2, 2:-2], pixels)
    assert padded.sum() == pixels.sum()
    assert padded.dtype == np.uint8


def test_an_odd_border_is_wider_after_the_image() -> None:
    assert np.array_equal(to_size(images(), 29)[:, :, :28, :28], images())


@pytest.mark.parametrize(("channels", "size"), [(1, 14), (1, 64), (3, 32), (3, 14)])
def test_others_are_resized_and_keep_their_brightness(channels: int, size: int) -> None:
    resized = to_size(images(channels), size)
    assert resized.shape == (3, channels, size, size)
    assert resized.dtype == np.uint8
    assert abs(resized.mean() - images(channels).mean()) < 4


def test_large_sets_are_resized_in_pieces() -> None:
    many = np.repeat(images(), 2000, axis=0)
    assert np.array_equal(to_size(many, 14), np.repeat(to_size(images(), 14), 2000, axis=0))


@pytest.mark.parametrize(
    ("pixels", "labels"),
    [
        (np.zeros((2, 1, 4, 4)), np.zeros(2, np.int64)),
        (np.zeros((2, 4, 4), np.uint8), np.zeros(2, np.int64)),
        (np.zeros((2, 1, 4, 4), np.uint8), np.zeros(3, np.int64)),
        (np.zeros((2, 1, 4, 4), np.uint8), np.zeros(2, np.int32)),
    ],
)
def test_labelled_images_hold_their_shapes_and_types(pixels: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="got "):
        LabelledImages(pixels, labels)
