"""Downloads over real HTTP, from a server on loopback: once, whole or not at all."""

import gc
import time
import urllib.request
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from pathlib import Path

import numpy as np
import pytest

from sesemi_search.data import CIFAR10, CIFAR100, MNIST, STL10, FashionMNIST
from sesemi_search.data.download import provide
from sesemi_search.data.sources import check_source
from sesemi_search.errors import ConfigError
from tests.data.published import (
    FileServer,
    cifar_pixels,
    publish_cifar,
    publish_idx,
    publish_stl10,
    serve_files,
    write_mnist,
)


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files({}) as served:
        yield served


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written")
    write_mnist(root)
    (root / "FashionMNIST").symlink_to(root / "MNIST")
    return root


def download_letters(root: Path, url: str) -> None:
    """Downloads a data set of one file."""
    folder = root / "Letters" / "raw"

    def download(scratch: Path) -> None:
        with urllib.request.urlopen(f"{url}letters") as answer:
            (scratch / "Letters" / "raw" / "letters").write_bytes(answer.read())

    provide([folder / "letters"], root, download, [Path("Letters/raw/letters.gz")], "")


def start(root: Path, server: FileServer) -> ForkProcess:
    """Downloads in a process of its own."""
    process = get_context("fork").Process(target=download_letters, args=(root, server.url))
    process.start()
    return process


def left(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("source", [MNIST, FashionMNIST])
def test_a_set_of_mnists_format_is_downloaded_once(
    source: type[MNIST], server: FileServer, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = source.__name__
    server.files = publish_idx(name, written, monkeypatch, server.url).archives
    root = tmp_path / "data"
    assert len(source(root).train()) == 60_000
    assert server.asked.keys() == server.files.keys()
    server.asked.clear()
    assert len(source(root).test()) == 10_000
    assert not server.asked
    assert left(root) == sorted(f"{name}/raw/{archive.removesuffix('.gz')}" for archive in server.files)


@pytest.mark.parametrize("source", [CIFAR10, CIFAR100])
def test_cifar_is_downloaded_once(
    source: type[CIFAR10], server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = publish_cifar(source.__name__, monkeypatch, server.url).archives
    train = source(tmp_path).train()
    assert server.asked.keys() == server.files.keys()
    server.asked.clear()
    test = source(tmp_path).test()
    assert not server.asked
    assert (len(train), len(test)) == (50 if source is CIFAR10 else 10, 10)
    # Red, green and blue one after the other, as the file has them.
    assert np.array_equal(train.images[:10].reshape(10, -1), cifar_pixels(0))
    assert not [path for path in left(tmp_path) if path.endswith((".gz", ".lock"))]


def test_stl10_is_downloaded_once_and_stands_upright(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3, 96, 96), dtype=np.uint8)
    server.files = publish_stl10(pixels, monkeypatch, server.url).archives
    with pytest.raises(ConfigError, match=r"train_X\.bin is not STL10's file or is cut short \(it holds 552960"):
        STL10(tmp_path).train()
    monkeypatch.setattr(STL10, "num_images", {"train": 20, "test": 20})
    train = STL10(tmp_path).train()
    assert server.asked.keys() == server.files.keys()
    server.asked.clear()
    test = STL10(tmp_path).test()
    assert not server.asked
    assert np.array_equal(train.images, pixels)
    assert np.array_equal(test.images, pixels)
    assert train.labels.tolist() == [*range(10)] * 2
    # torchvision reads the same, so its users' files are used as they are.
    theirs = pytest.importorskip("torchvision.datasets").STL10(tmp_path, split="train")
    assert np.array_equal(theirs.data, pixels)
    assert np.array_equal(theirs.labels, train.labels)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # urllib leaves a socket to its error
@pytest.mark.parametrize("fault", ["cut short", "another file", "not there"])
def test_a_broken_download_leaves_nothing(
    fault: str, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = publish_cifar("CIFAR10", monkeypatch, server.url).archives
    (name,) = whole
    server.files = {"not there": {}, "another file": {name: whole[name][:-1] + b"x"}}.get(fault, dict(whole))
    server.cut = {name} if fault == "cut short" else set()
    root = tmp_path / "data"
    with pytest.raises(ConfigError, match="cannot be downloaded") as raised:
        CIFAR10(root).train()
    assert f"{name} into {root} by hand" in str(raised.value)
    assert list(tmp_path.iterdir()) == []
    server.files, server.cut = whole, set()
    assert len(CIFAR10(root).train()) == 50
    del raised
    gc.collect()


def test_without_a_network_the_files_are_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchvision_mnist = pytest.importorskip("torchvision.datasets").MNIST
    monkeypatch.setattr(torchvision_mnist, "mirrors", ["http://127.0.0.1:9/"])  # where nobody listens
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


def test_archives_put_there_by_hand_are_not_downloaded(
    server: FileServer, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = publish_idx("MNIST", written, monkeypatch, server.url).archives
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    missing = "t10k-labels-idx1-ubyte.gz"
    server.files = {missing: archives[missing]}
    for name in archives.keys() - {missing}:
        (folder / name).write_bytes(archives[name])
    assert len(MNIST(tmp_path).train()) == 60_000
    assert set(server.asked) == {missing}


def test_a_cifar_file_of_another_content_is_refused_and_not_unpickled(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = publish_cifar("CIFAR10", monkeypatch, server.url).archives
    CIFAR10(tmp_path).train()
    # A pickle that would make a file when it is opened.
    trap = b"cpathlib\nPath\n(V" + str(tmp_path / "opened").encode() + b"\ntR."
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(trap)
    with pytest.raises(ConfigError, match=r"not CIFAR10's or is cut short\. Delete that folder"):
        CIFAR10(tmp_path).train()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_two_processes_at_once_download_once(server: FileServer, tmp_path: Path) -> None:
    server.files = {"letters": b"abcdef"}
    server.hold.clear()
    processes = [start(tmp_path / "data", server) for _ in range(2)]
    assert server.half_sent.wait(30)
    time.sleep(0.2)  # for the other one to come to the lock
    server.hold.set()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert dict(server.asked) == {"letters": 1}
    assert left(tmp_path) == ["data/Letters/raw/letters"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_download_that_was_killed_is_not_taken_for_whole_and_is_cleared_away(
    server: FileServer, tmp_path: Path
) -> None:
    server.files = {"letters": b"abcdef"}
    server.hold.clear()
    process = start(tmp_path, server)
    assert server.half_sent.wait(30)
    process.kill()
    process.join(30)
    assert not (tmp_path / "Letters").exists()
    assert list(tmp_path.glob(".*.download"))
    server.hold.set()
    download_letters(tmp_path, server.url)
    assert left(tmp_path) == ["Letters/raw/letters"]
    assert not list(tmp_path.glob(".*"))


def test_checking_a_source_downloads_nothing(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files = publish_cifar("CIFAR10", monkeypatch, server.url).archives
    assert check_source({"_target_": "sesemi_search.data.sources.CIFAR10"}) == []
    CIFAR10(tmp_path)
    assert not server.asked
