"""A journal that ends anywhere: every byte of its last records, every record of a whole search. No workers here."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sesemi_search.search.directory import JOURNAL
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space
from tests.faults.dozen import facts
from tests.processes import read_trials

pytestmark = pytest.mark.slow

NUM_TRIALS, NUM_EPOCHS = 14, 3
TOP1 = Objectives((Objective("val/top1", True),))
SPACE = Space(
    parse_space(
        {
            "lr": {"float": [0.001, 1], "log": True},
            "width": {"int": [4, 64], "log": True},
            "head": {"choice": {"a": {"_target_": "x.A"}, "b": {"_target_": "x.B", "scale": {"float": [1, 32]}}}},
        }
    )
)
TPE = {"_target_": "optuna.samplers.TPESampler", "multivariate": True, "group": True, "n_startup_trials": 10}
ASHA = {
    "_target_": "optuna.pruners.SuccessiveHalvingPruner",
    "min_resource": 1,
    "reduction_factor": 3,
    "min_early_stopping_rate": 0,
}


def create(folder: Path) -> Ledger:
    return Ledger.create(folder, "study", SPACE, sampler=TPE, pruner=ASHA, seed=1, objectives=TOP1)


def reopen(folder: Path) -> Ledger:
    ledger = Ledger.open(folder, "study", SPACE, sampler=TPE, pruner=ASHA, seed=1, objectives=TOP1)
    ledger.settle()
    return ledger


def value(params: dict[str, Any], epoch: int) -> float:
    """A validation score that depends on the trial and the epoch alone."""
    digest = hashlib.blake2b(repr((sorted(params.items()), epoch)).encode(), digest_size=4).digest()
    return int.from_bytes(digest) / 2**32


def finish(ledger: Ledger, checkpointed: bool = True) -> None:
    """Runs what is left of the search, one trial at a time, as session and worker do.

    Args:
        ledger: The ledger.
        checkpointed: Whether the checkpoint of a trial that goes on is the one of its last report, which is then
            repeated. Otherwise it is lost, and the trial begins anew.
    """
    queue = ledger.unfinished()
    while queue or len(ledger) < NUM_TRIALS:
        record = ledger.adopt(queue.pop(0)) if queue else ledger.ask()
        for epoch in range(max(record.epochs, 1) if checkpointed else 1, NUM_EPOCHS + 1):
            ledger.report(record.number, epoch, score := value(dict(record.params), epoch), {"val/top1": score})
            if epoch < NUM_EPOCHS and ledger.should_prune(record.number, epoch):
                ledger.tell(record.number, Outcome.stopped)
                break
        else:
            ledger.tell(record.number, Outcome.complete)


@pytest.fixture(autouse=True)
def _no_power_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of records are written here, and a process that dies takes nothing back that it wrote."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[dict[str, Any]]]:
    """The journal of an undisturbed search, and what it says."""
    folder = tmp_path_factory.mktemp("whole")
    finish(create(folder))
    trials = [facts(trial) for trial in read_trials(folder)]
    assert {trial["outcome"] for trial in trials} == {"complete", "stopped"}
    return (folder / JOURNAL).read_bytes(), trials


def leave(folder: Path, content: bytes) -> Path:
    """Leaves a journal as a writer does that was killed in an append: with its lock."""
    folder.mkdir()
    (folder / JOURNAL).write_bytes(content)
    (folder / f"{JOURNAL}.lock").symlink_to(folder / JOURNAL)
    return folder


def ends(records: list[bytes]) -> Iterator[tuple[str, int]]:
    """For each kind of record the first place in a search where it is the last; with the count of records."""
    seen = set()
    for count in range(3, len(records) + 1):  # the first record is the study
        kind = b"/".join(sorted(part for part in KINDS if part in records[count - 1])).decode()
        if kind not in seen:
            seen.add(kind)
            yield kind, count
    yield "end", len(records)


KINDS = (
    b'"param_name"',
    b'"attempts"',
    b'"epoch ',
    b'"intermediate_value"',
    b"completed_rung",
    b'"outcome"',
    b'"state"',
)


def test_a_journal_torn_at_any_byte_of_its_last_two_records_opens_and_goes_on(
    whole: tuple[bytes, list[dict[str, Any]]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, undisturbed = whole
    records = journal.splitlines(keepends=True)
    places = dict(ends(records))
    assert len(places) >= len(KINDS)
    torn, slowest = 0, 0.0
    for kind, count in places.items():
        first = len(b"".join(records[: count - 2]))
        for length in range(first, len(b"".join(records[:count]))):
            folder = leave(tmp_path / f"{count}-{length}", journal[:length])
            began = time.monotonic()
            ledger = reopen(folder)
            slowest = max(slowest, time.monotonic() - began)
            assert slowest < 5, (kind, length)
            # A write and a look at it by plain Optuna at every byte; the whole rest of the search once a record.
            for number in ledger.unfinished():
                ledger.adopt(number)
            if len(ledger) < NUM_TRIALS:
                ledger.ask()
            found = read_trials(folder)
            assert [trial.params for trial in found] == [t["params"] for t in undisturbed[: len(found)]], (kind, length)
            torn += 1
    with capsys.disabled():
        print(f"\n{torn} journals torn after {len(places)} kinds of records, opened in {slowest:.2f} s at most")


@pytest.mark.parametrize(("checkpointed", "every"), [(True, 1), (False, 4)])
def test_a_search_that_stops_after_any_record_ends_as_the_undisturbed_one(
    whole: tuple[bytes, list[dict[str, Any]]], tmp_path: Path, checkpointed: bool, every: int
) -> None:
    journal, undisturbed = whole
    records = journal.splitlines(keepends=True)
    wrong = {}
    for count in range(1, len(records) + 1, every):  # the first record is the study
        folder = leave(tmp_path / str(count), b"".join(records[:count]))
        finish(reopen(folder), checkpointed)
        found = [facts(trial) for trial in read_trials(folder)]
        if found != undisturbed:
            first = next(i for i, pair in enumerate(zip(found, undisturbed, strict=True)) if pair[0] != pair[1])
            wrong[count] = (records[count - 1], found[first], undisturbed[first])
    assert not wrong, f"{len(wrong)} of {len(records)}: {wrong}"
