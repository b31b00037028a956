from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tracking.wandb_server import OpenWandb, serve_openwandb


@pytest.fixture(autouse=True)
def _no_account(no_account: None) -> None:
    pass


@pytest.fixture
def openwandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenWandb]:
    """A W&B-compatible server that wandb is pointed at."""
    with serve_openwandb(tmp_path / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server
