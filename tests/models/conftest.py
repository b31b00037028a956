"""The user's side: tutorial modules on the path, and modules written by a test."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from sesemi_search.project.sesemi_modules import install

_SOURCES = Path(__file__).parents[2] / "experiments" / "src"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small compute longest where threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def tutorial_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_SOURCES))
    install()


@pytest.fixture
def user_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a module as a user would and returns the name that it imports by."""

    def write(source: str) -> str:
        name = f"written_by_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{name}.py").write_text("from torch import nn\n\n" + source)
        monkeypatch.syspath_prepend(str(tmp_path))
        sys.modules.pop(name, None)
        return name

    return write
