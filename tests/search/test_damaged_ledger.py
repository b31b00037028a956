"""Search directories that lost a part of their ledger: nothing begins anew on top of what is there."""

import shutil
import time
from pathlib import Path

import pytest

from sesemi_search.config.compose import Request
from sesemi_search.errors import ConfigError
from sesemi_search.search.directory import JOURNAL, SEARCH_YAML
from sesemi_search.search.open_ledger import begin_ledger, resume_ledger
from sesemi_search.search.plan import Plan, make_plan
from sesemi_search.search.resume import compose_resumed
from sesemi_search.search.stored_search import read_search

KEPT = Path(__file__).parent / "kept"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return Path(shutil.copytree(KEPT, tmp_path / "kept"))


@pytest.fixture
def plan(kept: Path) -> Plan:
    return make_plan(compose_resumed(Request(search=True, overrides=[str(kept)])), resume=True)


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def keep_lines(journal: Path, num_lines: int) -> None:
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:num_lines]))


def test_a_journal_that_was_emptied_is_not_begun_anew(kept: Path, plan: Plan) -> None:
    (kept / JOURNAL).write_bytes(b"")
    before = contents(kept)
    with pytest.raises(ConfigError, match=r"knows 0 trials, but trials/ has 3 .*: 0000, 0001, 0002\. .*put back"):
        resume_ledger(plan, kept)
    assert contents(kept) == before


def test_a_journal_that_was_cut_short_is_not_gone_on_with(kept: Path, plan: Plan) -> None:
    lines = (kept / JOURNAL).read_text().splitlines()
    first_asks = [
        number for number, line in enumerate(lines, start=1) if '"op_code": 4' in line or '"op_code":4' in line
    ]
    keep_lines(kept / JOURNAL, first_asks[0])
    with pytest.raises(ConfigError, match=r"knows 1 trials, but trials/ has 2 that it does not know: 0001, 0002\."):
        resume_ledger(plan, kept)


def test_a_search_does_not_begin_among_the_trials_of_another(kept: Path, plan: Plan) -> None:
    for name in (JOURNAL, SEARCH_YAML):
        (kept / name).unlink()
    with pytest.raises(ConfigError, match="knows 0 trials, but trials/ has 3"):
        begin_ledger(plan, kept, [])
    assert not (kept / SEARCH_YAML).exists()


def test_a_lock_that_was_left_without_a_journal_holds_nobody_up(kept: Path, plan: Plan) -> None:
    (kept / JOURNAL).unlink()
    shutil.rmtree(kept / "trials")
    (kept / f"{JOURNAL}.lock").symlink_to(kept / JOURNAL)
    began = time.monotonic()
    ledger = resume_ledger(plan, kept)
    assert len(ledger) == 0
    assert time.monotonic() - began < 20  # Optuna gives up a lock after 30 s


def test_a_broken_line_is_named(kept: Path, plan: Plan) -> None:
    lines = (kept / JOURNAL).read_bytes().splitlines(keepends=True)
    lines[6] = b"\x00" * 20 + b"\n"
    (kept / JOURNAL).write_bytes(b"".join(lines))
    for read in (lambda: resume_ledger(plan, kept), lambda: read_search(kept)):
        with pytest.raises(ConfigError, match=rf"{JOURNAL}: line 7 is no record: .*put back a copy"):
            read()


def test_records_of_another_kind_are_told_as_damage(kept: Path, plan: Plan) -> None:
    lines = (kept / JOURNAL).read_bytes().splitlines(keepends=True)
    (kept / JOURNAL).write_bytes(b"".join([*lines[:6], b'{"op_code": 6}\n', *lines[6:]]))
    for read in (lambda: resume_ledger(plan, kept), lambda: read_search(kept)):
        with pytest.raises(ConfigError, match=rf"{JOURNAL}: its records do not fit together \(KeyError"):
            read()


def test_a_config_that_was_cut_anywhere_is_told_with_its_name(kept: Path) -> None:
    lines = (kept / SEARCH_YAML).read_text().splitlines(keepends=True)
    num_refused = 0
    for number, line in enumerate(lines):
        (kept / SEARCH_YAML).write_text("".join(lines[:number]) + line[: len(line) // 2])
        try:
            read_search(kept)
        except ConfigError as error:
            assert str(error).startswith(str(kept / SEARCH_YAML)), number
            num_refused += 1
    assert num_refused > lines.index("space:\n")
