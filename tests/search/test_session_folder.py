import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sesemi_search.errors import ConfigError
from sesemi_search.search.ray_tune import session_folder
from sesemi_search.search.ray_tune.session_folder import choose_session_folder


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short path; no variable of whoever runs the tests."""
    for name in ("RAY_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        yield Path(path)


def test_the_folder_that_is_usual_is_taken_where_it_serves(
    short: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(short))
    with choose_session_folder() as folder:
        assert folder == short / "ray"
    assert folder.is_dir()
    assert said == []


def test_a_folder_that_is_made_instead_is_closed_to_others_and_gone_afterwards(
    short: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    long = short / ("a" * 60)
    monkeypatch.setenv("TMPDIR", str(long))
    with choose_session_folder() as folder:
        assert folder.parent == Path("/tmp")
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    assert not long.exists()
    assert said == [f"Ray keeps its files in {folder}: {long}/ray (of TMPDIR) is too long a path for a socket"]


def test_where_no_folder_can_be_had_both_are_told(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_folder, "_SHORT", ("/proc/nowhere",))
    (short / "ray").touch()
    monkeypatch.setenv("RAY_TMPDIR", str(short))
    with pytest.raises(
        ConfigError, match=r"^RAY_TMPDIR: .*/ray \(of RAY_TMPDIR\) cannot be written \(File exists\), and /proc"
    ):
        with choose_session_folder():
            pass
