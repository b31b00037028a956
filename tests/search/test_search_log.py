"""`search.log` and what trials print: what is left to read of a search on a machine that is gone."""

import io
import logging
import os
import re
import sys
from pathlib import Path

import pytest

from sesemi_search.console import make_console
from sesemi_search.search.directory import SEARCH_LOG, output_file
from sesemi_search.search.result import SearchResult
from sesemi_search.search.search_log import log_to
from sesemi_search.search.trial_output import keep_output

logger = logging.getLogger("sesemi_search.search.somewhere")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d (DEBUG|INFO|WARNING) +(.*)")


def messages(directory: Path) -> list[str]:
    lines = [line for line in (directory / SEARCH_LOG).read_text().splitlines() if not line.startswith("    ")]
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), lines
    return [match[2] for match in found if match]


def test_a_search_tells_of_each_trial_and_of_what_was_said(finished: SearchResult) -> None:
    told = messages(finished.directory)
    assert any(line.endswith("CPU thread each") for line in told)
    assert re.fullmatch(r"the search ends after \d+\.\d s: (\d (complete|stopped)(, )?)+", told[-1])
    for record in finished.records:
        assert any(line.startswith(f"trial {record.number} begins, attempt 1, after epoch 0: ") for line in told)
        end = f"trial {record.number}: {record.outcome.value} after epoch {record.epochs}, 0."
        assert any(line.startswith(end) for line in told)


def test_a_search_that_goes_on_adds_to_it(finished: SearchResult, extended: SearchResult) -> None:
    before, told = messages(finished.directory), messages(extended.directory)
    assert told[: len(before)] == before
    assert any(line.startswith(f"trial 9: {extended.records[9].outcome.value}") for line in told[len(before) :])


def test_an_error_has_its_line_and_what_its_module_printed_is_kept(troubled: SearchResult) -> None:
    assert any(
        "trial 0: error after epoch 1" in line and "does not like its second epoch" in line
        for line in messages(troubled.directory)
    )
    assert output_file(troubled.directory, 0).read_text() == "to standard output\nto standard error\n"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"asking with {'f' * 40}", "asking with ***"),
        ("at postgresql://me:secret@host/db", "at postgresql://***@host/db"),
        ("at postgresql://me:se/cr@et@host/db", "at postgresql://***@host/db"),
        ("at redis://:secret@host", "at redis://***@host"),
        ("at mysql://host/db?user=me&password=secret&x=1", "at mysql://host/db?user=me&password=***&x=1"),
    ],
)
def test_no_key_and_no_password_is_in_it(text: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "f" * 40)
    with log_to(tmp_path):
        logger.info(text)
    assert messages(tmp_path) == [kept]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path, said: list[str]) -> None:
    outside = tmp_path / "outside"
    outside.write_text("as it was")
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / SEARCH_LOG).symlink_to(outside)
    with log_to(tmp_path / "search"):
        logger.info("a line")
    assert outside.read_text() == "as it was"
    assert said[0].startswith(f"no {SEARCH_LOG}: ")


def test_a_full_disk_loses_lines_and_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with log_to(tmp_path):
        with Path("/dev/full").open("wb", buffering=0) as full:
            monkeypatch.setattr(os, "write", lambda file, content: full.write(content))
            logger.info("a line")
        monkeypatch.undo()
        logger.info("another line")
    assert messages(tmp_path) == ["another line"]


def test_what_was_said_before_comes_first_and_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_console()
    logger.info("before")
    logger.debug("not for the terminal")
    for _ in range(2):
        with log_to(tmp_path):
            logger.info("then")
    assert messages(tmp_path) == ["before", "not for the terminal", "then", "then"]
    assert capfd.readouterr().out == "before\nthen\nthen\n"


def test_a_search_that_breaks_off_leaves_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(KeyError), log_to(tmp_path):
        raise KeyError("what is missing")
    assert messages(tmp_path) == ["the search ends in the middle of things"]
    assert "    KeyError: 'what is missing'" in (tmp_path / SEARCH_LOG).read_text().splitlines()


def test_what_prints_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", passed_on := io.StringIO())
    with keep_output(tmp_path / "output.txt"):
        for _ in range(30):
            print("x" * 50_000)
    assert (tmp_path / "output.txt").stat().st_size == 1_000_000
    assert len(passed_on.getvalue()) == 30 * 50_001


def test_a_handler_that_one_trial_made_writes_to_the_file_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", passed_on := io.StringIO())
    theirs = logging.getLogger("a module of the user")
    with keep_output(tmp_path / "first.txt"):
        theirs.addHandler(handler := logging.StreamHandler())
        theirs.warning("one")
    theirs.warning("between")
    with keep_output(tmp_path / "second.txt"):
        theirs.warning("two")
    theirs.removeHandler(handler)
    assert (tmp_path / "first.txt").read_text() == "one\n"
    assert (tmp_path / "second.txt").read_text() == "two\n"
    assert passed_on.getvalue() == "one\nbetween\ntwo\n"


def test_a_trial_that_prints_nothing_has_no_file_and_sees_its_streams(tmp_path: Path) -> None:
    with keep_output(tmp_path / "output.txt"):
        assert sys.stdout.encoding
        assert sys.stdout.writable()
    assert not (tmp_path / "output.txt").exists()
