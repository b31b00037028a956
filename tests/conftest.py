"""What tests of several folders use: the command line in this process, a Ray, empty caches, W&B without an account."""

import logging
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sesemi_search.cli import main


class Lines(logging.Handler):
    """Keeps what is said to the user."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(scope="session", autouse=True)
def no_fsync() -> Iterator[None]:
    """Waits for no disk in this process: a ledger does at each write, some 25,000 times in all tests.

    Tests kill processes, which loses nothing that was written; only a power cut would. Drivers in processes of their
    own do wait.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_terminal_width() -> Iterator[None]:
    """Prints as into a file: the processes of pytest-xdist get a width from readline, which pytest loads."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(autouse=True)
def no_console() -> Iterator[None]:
    """Leaves nothing behind of a command that ran in this process."""
    yield
    ours = logging.getLogger("sesemi_search")
    ours.handlers.clear()
    ours.propagate = True
    ours.setLevel(logging.NOTSET)


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What the program says to the user meanwhile, line by line."""
    ours, handler = logging.getLogger("sesemi_search"), Lines()
    ours.addHandler(handler)
    ours.setLevel(logging.DEBUG)
    yield handler.lines
    ours.removeHandler(handler)


@pytest.fixture
def command(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command line in this process, from inside the project; gives its exit code and all that it printed."""
    monkeypatch.chdir(project)

    def run(*argv: str) -> tuple[int, str]:
        try:
            code = main(argv)
        except SystemExit as error:
            code = int(error.code or 0)
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    return run


@pytest.fixture(scope="session")
def ray() -> Iterator[None]:
    """One Ray for all tests of this session; a search uses the one that its process is in."""
    from sesemi_search.search.ray_tune.cluster import connect

    with connect("local", None):
        yield


@pytest.fixture
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key from the environment, netrc or settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / f"wandb-{name}"))


@pytest.fixture
def timm_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the Hugging Face hub, empty, on a machine without network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


@pytest.fixture
def torch_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch's hub cache, empty, on a machine without network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "_opener", None)  # which keeps the proxies that it began with
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
        monkeypatch.delenv(name.upper(), raising=False)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder
