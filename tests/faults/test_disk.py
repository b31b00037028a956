"""Disks that take no more: full at any moment, or read-only from the start."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import read_trials

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[1] / "project"


def run(*argv: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "sesemi_search", *argv, "tracking=none"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )
    return done.returncode, done.stdout


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False).returncode != 0:
        pytest.skip("mounting a small file system takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("room_kb", [20, 60])
def test_a_full_disk_stops_the_search_with_one_message_and_resume_ends_it_once_there_is_room(
    disk: Path, room_kb: int
) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes((2000 - room_kb) * 1000))
    directory = disk / "search"
    code, output = run("run", "space=tiny", "search.num_trials=12", f"search.dir={directory}")
    assert code == 1, output
    assert "Traceback" not in output
    assert output.count("sesemi-search resume") == 1, output
    assert "No space left" in output or "could not be written" in output
    before = read_trials(directory)
    ballast.unlink()
    code, output = run("resume", str(directory))
    assert code == 0, output
    after = read_trials(directory)
    assert len(after) == 12
    assert {trial.state.name for trial in after} <= {"COMPLETE", "PRUNED"}
    for old, new in zip(before, after, strict=False):
        assert old.params.items() <= new.params.items()
        assert old.intermediate_values.items() <= new.intermediate_values.items()
        if old.state.is_finished():
            assert old == new


def test_a_read_only_search_directory_is_refused_before_the_start(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, output = run("run", "space=tiny", f"search.dir={disk / 'search'}")
    assert code == 2, output
    assert "search.dir" in output
    assert "Read-only file system" in output
    assert "Traceback" not in output
