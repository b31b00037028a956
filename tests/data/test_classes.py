"""The number of classes of a source, asked before an image is read."""

from pathlib import Path

import pytest

from sesemi_search.data.classes import count_classes
from sesemi_search.data.sources import MNIST5k
from sesemi_search.errors import ConfigError

FOLDER = {"_target_": "sesemi_search.data.folder.ImageFolder", "folder": "birds"}


class Halves(MNIST5k):
    """Has labels of its own, and inherits what it says of them."""


class Unsure(MNIST5k):
    """Raises when it is asked."""

    @property
    def num_classes(self) -> int:
        """Raises."""
        raise RuntimeError("not today")


class Pairs:
    """A data set, which is no source of its own making."""

    num_classes = 1

    def __len__(self) -> int:
        raise AssertionError("was built")

    def __getitem__(self, index: int) -> tuple[int, int]:
        raise AssertionError("was built")


@pytest.mark.parametrize(
    ("name", "number"),
    [("MNIST5k", 10), ("MNIST", 10), ("FashionMNIST", 10), ("CIFAR10", 10), ("CIFAR100", 100), ("STL10", 10)],
)
def test_a_published_set_knows_its_classes_without_its_files(name: str, number: int, tmp_path: Path) -> None:
    assert count_classes({"_target_": f"sesemi_search.data.sources.{name}"}, tmp_path) == number
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inside", ["", "train"])
def test_the_folders_of_a_folder_are_its_classes_whatever_is_in_them(inside: str, tmp_path: Path) -> None:
    for name in ("ant", "bee", "cow", ".hidden"):
        (tmp_path / "birds" / inside / name).mkdir(parents=True)
    (tmp_path / "birds" / inside / "ant" / "broken.png").write_bytes(b"no image")
    assert count_classes(FOLDER, tmp_path) == 3


def test_a_folder_that_is_not_there_is_missed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"data.source.folder: there is no folder {tmp_path / 'birds'}"):
        count_classes(FOLDER, tmp_path)


@pytest.mark.parametrize("source", [Halves, Pairs])
def test_one_that_does_not_say_it_itself_is_not_asked(source: type) -> None:
    assert count_classes({"_target_": f"{__name__}.{source.__name__}"}, Path()) is None


def test_one_that_raises_is_named() -> None:
    with pytest.raises(ConfigError, match=r"Unsure\.num_classes raised RuntimeError: not today"):
        count_classes({"_target_": f"{__name__}.Unsure"}, Path())
