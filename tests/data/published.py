"""Small data sets in the formats of the published ones, and a server on loopback to download them from."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

__all__ = [
    "FileServer",
    "Published",
    "cifar_pixels",
    "publish_cifar",
    "publish_idx",
    "publish_stl10",
    "serve_files",
    "write_mnist",
]


@dataclass
class FileServer:
    """Files by the ends of their addresses, and how often each was asked for.

    Attributes:
        files: Content by name.
        cut: Names whose answer ends half way, though its header promises all.
        hold: While it is not set, answers stop half way and wait.
    """

    files: dict[str, bytes]
    cut: set[str] = field(default_factory=set)
    hold: threading.Event = field(default_factory=threading.Event)
    half_sent: threading.Event = field(default_factory=threading.Event)
    asked: Counter[str] = field(default_factory=Counter)
    url: str = ""


@contextmanager
def serve_files(files: dict[str, bytes]) -> Iterator[FileServer]:
    """Serves files on loopback as long as the block runs."""
    served = FileServer(files)
    served.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._head()

        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            served.asked[name] += 1
            content = self._head()
            if content is None:
                return
            half = len(content) // 2
            self.wfile.write(content[:half])
            served.half_sent.set()
            served.hold.wait(30)
            if name not in served.cut:
                self.wfile.write(content[half:])

        def _head(self) -> bytes | None:
            content = served.files.get(self.path.lstrip("/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            return content

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            pass  # a client that was killed

    server = Server(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield served
    finally:
        served.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()


def write_idx(path: Path, array: np.ndarray) -> None:
    """Writes an array in the format of MNIST's files."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def write_mnist(root: Path, num_train: int = 60_000, num_test: int = 10_000, name: str = "MNIST") -> Path:
    """Writes four files of MNIST's names and sizes; the pixels are cheap."""
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", num_train), ("t10k", num_test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte", np.broadcast_to(labels[:, None, None], (count, 28, 28)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


@dataclass
class Published:
    """A data set as its publishers put it up: archives by name."""

    archives: dict[str, bytes]


def publish_idx(name: str, root: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Published:
    """Makes archives of what `write_mnist` wrote, and torchvision believe that they are the published ones."""
    from torchvision import datasets

    archives = {
        f"{file.name}.gz": gzip.compress(file.read_bytes(), compresslevel=1, mtime=0)
        for file in sorted((root / name / "raw").iterdir())
    }
    published = getattr(datasets, name)
    monkeypatch.setattr(published, "mirrors", [url])
    monkeypatch.setattr(published, "resources", [(each, _md5(content)) for each, content in archives.items()])
    return Published(archives)


def publish_cifar(name: str, monkeypatch: pytest.MonkeyPatch, url: str = "http://127.0.0.1:9/") -> Published:
    """Makes a CIFAR of 10 images a file, and torchvision believe that it is the published one."""
    from torchvision import datasets

    published = getattr(datasets, name)
    kind = "labels" if name == "CIFAR10" else "fine_labels"
    names = [file for file, _ in (*published.train_list, *published.test_list)]
    contents = {file: pickle.dumps({"data": cifar_pixels(i), kind: list(range(10))}) for i, file in enumerate(names)}
    contents[published.meta["filename"]] = pickle.dumps({published.meta["key"]: [str(i) for i in range(10)]})
    archive = _tar(published.base_folder, contents)
    md5s = {file: _md5(content) for file, content in contents.items()}
    for attribute in ("train_list", "test_list"):
        monkeypatch.setattr(published, attribute, [[f, md5s[f]] for f, _ in getattr(published, attribute)])
    monkeypatch.setattr(published, "meta", {**published.meta, "md5": md5s[published.meta["filename"]]})
    monkeypatch.setattr(published, "url", url + published.filename)
    monkeypatch.setattr(published, "tgz_md5", _md5(archive))
    return Published({published.filename: archive})


def publish_stl10(pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch, url: str) -> Published:
    """Makes an STL-10 of some images (N, 3, 96, 96), the same to train and to test, of the classes 0 to 9 in turn."""
    from torchvision.datasets import STL10

    labels = (np.arange(len(pixels)) % 10 + 1).astype(np.uint8)
    columns = pixels.transpose(0, 1, 3, 2)  # as the file has them
    contents = {f"{part}_X.bin": columns.tobytes() for part in ("train", "test")}
    contents |= {f"{part}_y.bin": labels.tobytes() for part in ("train", "test")}
    archive = _tar(STL10.base_folder, {**contents, "unlabeled_X.bin": b""})
    monkeypatch.setattr(STL10, "url", url + STL10.filename)
    monkeypatch.setattr(STL10, "tgz_md5", _md5(archive))
    for attribute in ("train_list", "test_list"):
        listed = [[f, _md5(contents.get(f, b""))] for f, _ in getattr(STL10, attribute)]
        monkeypatch.setattr(STL10, attribute, listed)
    return Published({STL10.filename: archive})


def cifar_pixels(number: int) -> np.ndarray:
    """10 images, red first, as in CIFAR's files: (10, 3072)."""
    return np.random.default_rng(number).integers(0, 256, (10, 3072), dtype=np.uint8)


def _tar(folder: str, contents: dict[str, bytes]) -> bytes:
    """Returns a compressed archive of files in a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for file, content in contents.items():
            entry = tarfile.TarInfo(f"{folder}/{file}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()
