"""What goes to a terminal: control characters of anybody's names and messages are shown, never sent."""

import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from sesemi_search.console import make_console
from sesemi_search.formatting import escape_controls, format_params
from sesemi_search.search.search_log import log_to
from tests.search.told_search import tell_search

PROJECT = Path(__file__).parent / "project"
CLEAR = "\x1b[2J"
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def project() -> Path:
    return PROJECT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{CLEAR}red", r"\x1b[2Jred"),
        ("a\nb\tc", "a\nb\tc"),
        ("\r\x07\x7f\x9b", r"\x0d\x07\x7f\x9b"),
        ("\udce9", r"\udce9"),
        ("é, 数", "é, 数"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert escape_controls(text) == shown


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_that_is_printed_or_said_commands_the_terminal(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1") if terminal else monkeypatch.delenv("FORCE_COLOR", raising=False)
    console = make_console()
    console.file = file = io.StringIO()
    table = Table(f"head{CLEAR}")
    table.add_row(Text(format_params({f"name{CLEAR}": f"value{CLEAR}"})))
    console.print(table)
    console.print(f"printed{CLEAR}")
    logging.getLogger("sesemi_search.test").info(f"said{CLEAR}")
    assert CLEAR not in file.getvalue()
    for place in ("name", "value", "printed", "said"):
        assert rf"{place}\x1b[2J" in file.getvalue()
    assert ("\x1b[1m" in file.getvalue()) is terminal  # rich's own


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "space=tiny", f"run.{CLEAR}=3"],
        ["check", "space=tiny", f"learner.hparams.model.backbone._target_='faulty.{CLEAR}'"],
        ["show", f"space={CLEAR}"],
        ["show", "space=tiny", f"space.learner.hparams.optimizer.lr={{choice: ['{CLEAR}', 2]}}"],
        [f"verb{CLEAR}"],
        ["run", f"--{CLEAR}"],
    ],
)
def test_what_was_typed_is_shown_with_its_control_characters_written_out(argv: list[str], command: Command) -> None:
    output = command(*argv)[1]
    assert "\x1b" not in output
    assert r"\x1b" in output or r"\e" in output  # as YAML writes it


def test_a_strangers_provenance_does_not_command_the_terminal(tmp_path: Path, command: Command) -> None:
    directory = tmp_path / "search"
    tell_search(PROJECT, directory)
    content = {"packages": {"torch": f"1{CLEAR}"}, "files": {f"src/{CLEAR}.py": "0"}, "project": None}
    (directory / "provenance.json").write_text(json.dumps(content))
    code, output = command("resume", str(directory), "--dry-run")
    assert code == 0
    assert "\x1b" not in output
    assert r"torch was 1\x1b[2J" in output


def test_a_search_log_can_be_shown_in_a_terminal(tmp_path: Path) -> None:
    with log_to(tmp_path):
        logging.getLogger("sesemi_search.test").info(f"said{CLEAR}")
    assert r"said\x1b[2J" in (tmp_path / "search.log").read_text()
