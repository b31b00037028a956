"""Mean and standard deviation, measured where the config leaves them open."""

import numpy as np
import pytest

from sesemi_search.config.schema import DataConfig
from sesemi_search.data import LabelledImages, fill_normalization
from sesemi_search.errors import ConfigError


def config(channels: int = 3, mean: list[float] | None = None, std: list[float] | None = None) -> DataConfig:
    return DataConfig({}, None, 8, channels, 1, 1, 0, mean=mean, std=std)


def images(count: int = 40, channels: int = 3) -> LabelledImages:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, channels, 8, 8)) // np.arange(1, channels + 1)[:, None, None]
    return LabelledImages(pixels.astype(np.uint8), np.zeros(count, np.int64))


def test_they_are_those_of_all_pixels_of_a_channel(said: list[str]) -> None:
    train = images(1234)
    filled = fill_normalization(config(), train)
    pixels = train.images.astype(np.float64) / 255
    assert filled.mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), abs=1e-4)
    assert filled.std == pytest.approx(pixels.std(axis=(0, 2, 3)), abs=1e-4)
    assert said == [f"data.mean={filled.mean} and data.std={filled.std}, measured on train"]


def test_what_is_given_is_kept_and_measures_nothing(said: list[str]) -> None:
    given = config(mean=[0.1] * 3, std=[0.2] * 3)
    assert fill_normalization(given, images()) is given
    assert said == []
    half = fill_normalization(config(std=[0.2] * 3), images())
    assert half.std == [0.2] * 3
    assert half.mean is not None


def test_gray_images_have_one_number_for_all_channels() -> None:
    filled = fill_normalization(config(3), images(channels=1))
    assert filled.mean is not None
    assert len(filled.mean) == 3
    assert len(set(filled.mean)) == 1


def test_those_of_mnist_are_known(load: object) -> None:
    digits = load("train", image_size=28)["train"]  # type: ignore[operator]
    filled = fill_normalization(config(1), digits)
    assert filled.mean == pytest.approx([0.1307], abs=0.003)
    assert filled.std == pytest.approx([0.3081], abs=0.003)


def test_constant_images_are_refused() -> None:
    black = LabelledImages(np.zeros((4, 3, 8, 8), np.uint8), np.zeros(4, np.int64))
    with pytest.raises(ConfigError, match=r"data\.std: got null, but the training images measure \[0\.0"):
        fill_normalization(config(), black)
