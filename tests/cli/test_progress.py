"""What a long check and the start of Ray show meanwhile: a line on a terminal, nothing in a pipe."""

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

RUN = ["run", "space=tiny", "search.num_trials=1", "run.num_epochs=1", "tracking=none"]
ERASE = "\x1b[2K"


def read_terminal(terminal: int, shown: list[bytes]) -> None:
    """Reads what a terminal gets until nobody has it open any more."""
    try:
        while data := os.read(terminal, 4096):
            shown.append(data)
    except OSError:  # as Linux says it
        pass


def test_a_terminal_shows_the_branch_and_the_start_of_ray_on_one_line_that_goes(project: Path) -> None:
    reader, terminal = pty.openpty()
    shown: list[bytes] = []
    thread = threading.Thread(target=read_terminal, args=(reader, shown))
    thread.start()
    argv = [sys.executable, "-m", "sesemi_search", *RUN]
    done = subprocess.run(argv, cwd=project, stdout=subprocess.PIPE, stderr=terminal, text=True, timeout=120)
    os.close(terminal)
    thread.join()
    os.close(reader)
    progress = b"".join(shown).decode()
    assert done.returncode == 0, progress
    lines = list(dict.fromkeys(re.findall(r"checking branches \d of \d|starting Ray", progress)))
    assert lines == ["checking branches 1 of 2", "checking branches 2 of 2", "starting Ray"]
    # Each is erased before the next (a line may be drawn twice), and the last one too.
    assert all(ERASE in part for part in re.split("|".join(lines), progress)[1:])
    assert not re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\s", "", progress.rpartition(ERASE)[2])
    assert "pre-flight: 2 branches" in done.stdout
    assert "checking branches" not in done.stdout


def test_a_pipe_shows_nothing_of_it(command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, output = command("check", "space=tiny")
    assert code == 0
    assert "checking branches" not in output
