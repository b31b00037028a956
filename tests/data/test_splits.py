"""Splits: disjoint, stratified, fixed by a seed, and opened only when asked for."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sesemi_search.config.schema import DataConfig
from sesemi_search.data import LabelledImages, MNIST5k, check_labels, load_splits
from sesemi_search.data.splits import describe_classes
from sesemi_search.errors import ConfigError

Load = Callable[..., dict[str, LabelledImages]]
NAMES = ("train", "val", "test")
# Sums of all pixels of the splits of mnist5k as shipped.
SUMS = {"train": 105179232, "val": 13117029, "test": 12970841}
SOURCE = '''
import numpy as np
from sesemi_search.data import LabelledImages

def numbered(first, count):
    images = np.zeros((count, {channels}, 8, 8), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.divmod(np.arange(first, first + count), 256)
    return LabelledImages(images, np.arange(count) % 3)

class Numbered:
    """Each image carries its own number; the last class count is uneven."""

    def train(self):
        return numbered(0, 100)

class WithTest(Numbered):
    def test(self):
        return numbered(100, 20)

class WithVal(Numbered):
    def val(self):
        return numbered(200, 30)

class TestIsOpened(Numbered):
    def test(self):
        raise AssertionError("the test split was opened")
'''


@pytest.fixture
def user_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    def write(name: str, channels: int = 1) -> dict[str, str]:
        module = f"numbered_{tmp_path.name}"
        (tmp_path / f"{module}.py").write_text(SOURCE.format(channels=channels))
        monkeypatch.syspath_prepend(str(tmp_path))
        return {"_target_": f"{module}.{name}"}

    return write


def numbers(split: LabelledImages) -> set[int]:
    return {int(image[0, 0, 0]) * 256 + int(image[0, 0, 1]) for image in split.images}


def test_mnist5k_is_split_4000_500_500(load: Load) -> None:
    splits = load(*NAMES)
    assert {name: split.images.shape for name, split in splits.items()} == {
        "train": (4000, 1, 32, 32),
        "val": (500, 1, 32, 32),
        "test": (500, 1, 32, 32),
    }
    for name, count in (("train", 400), ("val", 50), ("test", 50)):
        assert np.bincount(splits[name].labels).tolist() == [count] * 10


def test_every_digit_is_in_exactly_one_split(load: Load) -> None:
    splits = load(*NAMES, image_size=28)
    # Counted, since a few of the 5,000 digits are copies of each other.
    dealt = Counter(image.tobytes() for split in splits.values() for image in split.images)
    assert dealt == Counter(image.tobytes() for image in MNIST5k().train().images)


def test_splits_partition_the_training_set(load: Load, user_source: Callable[..., dict[str, str]]) -> None:
    splits = load(*NAMES, source=user_source("Numbered"), image_size=8, val_size=11, test_size=17)
    parts = [numbers(splits[name]) for name in NAMES]
    assert [len(part) for part in parts] == [72, 11, 17]
    assert set().union(*parts) == set(range(100))


@pytest.mark.parametrize("size", [1, 2, 10, 33, 98])
def test_strata_are_right_to_within_one_image(
    load: Load, user_source: Callable[..., dict[str, str]], size: int
) -> None:
    val = load("val", source=user_source("WithTest"), image_size=8, val_size=size, test_size=None)["val"]
    counts = np.bincount(val.labels, minlength=3)
    assert counts.sum() == size
    assert np.abs(counts - size * np.array([34, 33, 33]) / 100).max() < 1


def test_the_seed_fixes_the_splits(load: Load) -> None:
    first, again, other = load("val"), load("val"), load("val", split_seed=1)
    assert np.array_equal(first["val"].images, again["val"].images)
    assert not np.array_equal(first["val"].images, other["val"].images)


def test_a_search_and_a_final_run_see_the_same_splits(load: Load) -> None:
    search, final, test = load("train", "val"), load(*NAMES), load("test")
    assert list(search) == ["train", "val"]
    for name, split in {**search, **test}.items():
        assert np.array_equal(split.images, final[name].images)


def test_val_size_does_not_move_test_images(load: Load) -> None:
    assert np.array_equal(load("test")["test"].images, load("test", val_size=100)["test"].images)


def test_an_official_test_split_is_opened_only_when_asked_for(
    load: Load, user_source: Callable[..., dict[str, str]]
) -> None:
    changes = {"image_size": 8, "val_size": 10, "test_size": None}
    splits = load("train", "val", source=user_source("TestIsOpened"), **changes)
    assert [len(split) for split in splits.values()] == [90, 10]
    assert numbers(load("test", source=user_source("WithTest"), **changes)["test"]) == set(range(100, 120))


def test_an_official_validation_split_is_used_as_it_is(load: Load, user_source: Callable[..., dict[str, str]]) -> None:
    splits = load(*NAMES, source=user_source("WithVal"), image_size=8, val_size=None, test_size=17)
    assert numbers(splits["val"]) == set(range(200, 230))
    assert numbers(splits["train"]) | numbers(splits["test"]) == set(range(100))


def test_a_size_may_be_a_share_of_the_training_set(load: Load, user_source: Callable[..., dict[str, str]]) -> None:
    splits = load(*NAMES, source=user_source("Numbered"), image_size=8, val_size=0.15, test_size=0.2)
    assert [len(split) for split in splits.values()] == [65, 15, 20]
    same = load("val", source=user_source("Numbered"), image_size=8, val_size=15, test_size=20)["val"]
    assert numbers(same) == numbers(splits["val"])


def test_a_fraction_to_train_with_is_stratified_fixed_and_inside_a_larger_one(load: Load) -> None:
    whole, half, tenth = (load("train", train_fraction=fraction)["train"] for fraction in (1.0, 0.5, 0.1))
    assert np.bincount(half.labels).tolist() == [200] * 10
    assert np.bincount(tenth.labels).tolist() == [40] * 10

    def images(split: LabelledImages) -> Counter[bytes]:
        return Counter(image.tobytes() for image in split.images)

    assert images(tenth) <= images(half) <= images(whole)
    assert images(load("train", train_fraction=0.1)["train"]) == images(tenth)
    assert images(load("train", train_fraction=0.1, split_seed=1)["train"]) != images(tenth)


def test_a_fraction_moves_no_other_split(load: Load) -> None:
    for name in ("val", "test"):
        assert np.array_equal(load(name)[name].images, load(name, train_fraction=0.1)[name].images)


def test_colors_become_gray_for_one_channel(load: Load, user_source: Callable[..., dict[str, str]]) -> None:
    changes = {"image_size": 8, "val_size": 10, "test_size": 10}
    colors = load("train", source=user_source("Numbered", channels=3), **changes)["train"].images
    gray = load("train", source=user_source("Numbered", channels=3), channels=1, **changes)["train"].images
    assert gray.shape == (80, 1, 8, 8)
    expected = 0.299 * colors[:, 0] + 0.587 * colors[:, 1] + 0.114 * colors[:, 2]
    assert np.abs(gray[:, 0] - expected).max() <= 0.501


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val_size": 4500}, r"data.val_size \+ data.test_size: got 5000, .* 5000 images"),
        ({"val_size": 10**9}, "data.val_size"),
        ({"val_size": 0.6, "test_size": 0.5}, r"data.val_size \+ data.test_size: got 5500, .* 5000 images"),
        ({"val_size": None}, "data.val_size: got None, but MNIST5k has no val split of its own"),
        ({"test_size": None}, "data.test_size: got None, but MNIST5k has no test split of its own"),
    ],
)
def test_sizes_that_do_not_fit_are_errors(load: Load, changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("train", "val", **changes)


def test_a_second_test_split_is_an_error(load: Load, user_source: Callable[..., dict[str, str]]) -> None:
    with pytest.raises(ConfigError, match=r"data\.test_size: got 500, but WithTest has a test split of its own"):
        load("train", source=user_source("WithTest"))


def test_channels_that_cannot_be_made_are_an_error(load: Load, user_source: Callable[..., dict[str, str]]) -> None:
    with pytest.raises(ConfigError, match=r"data.channels: got 3"):
        load("train", source=user_source("Numbered", channels=2), val_size=10, test_size=10)


def test_labels_beyond_the_classes_are_an_error(load: Load) -> None:
    val = load("val")["val"]
    check_labels(val, 10)
    with pytest.raises(ConfigError, match="num_classes: got 9, but the data has labels from 0 to 9"):
        check_labels(val, 9)
    with pytest.raises(ConfigError, match="labels from -1"):
        check_labels(LabelledImages(val.images, val.labels - 1), 10)


def test_labels_that_begin_at_1_are_to_be_shifted_and_get_no_class_more(load: Load) -> None:
    val = load("val")["val"]
    shifted = LabelledImages(val.images, val.labels + 1)
    with pytest.raises(ConfigError, match=r"got 10, but the data has labels from 1 to 10; .* subtract 1") as raised:
        check_labels(shifted, 10)
    assert "11" not in str(raised.value)
    with pytest.raises(ConfigError, match="at least 11"):
        check_labels(shifted, 8)
    assert describe_classes(shifted.labels, 11) == (
        "learner.hparams.num_classes=11, but no training image is of class 0; "
        "where labels begin at 1, let the data set subtract 1 from them"
    )


def test_classes_without_an_image_are_mentioned(load: Load) -> None:
    labels = load("train")["train"].labels
    assert describe_classes(labels, 10) is None
    assert describe_classes(labels, 12) == (
        "learner.hparams.num_classes=12, but no training image is of class 10, 11; labels from 0 to 9 make 10"
    )
    some = describe_classes(labels[labels != 4], 10)
    assert some == "learner.hparams.num_classes=10, but no training image is of class 4"


def test_shipped_splits_do_not_move(data: DataConfig, tmp_path: Path) -> None:
    """Results that people quote rest on these very images."""
    splits = load_splits(data, tmp_path, NAMES)
    sums = {name: int(split.images.sum(dtype=np.int64)) for name, split in splits.items()}
    assert sums == SUMS
