"""Searches whose driver is killed with SIGKILL, at random moments and at chosen points of the code; then `resume`.

A search has one trial at a time and a fixed seed, so each must end with the numbers of the one that nobody kills. Two
searches run side by side.
"""

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.dozen import NUM_TRIALS, Dozen, check_ended, epochs_begun_twice, facts
from tests.processes import count_reports, journal_records, kill_session, wait_for

pytestmark = pytest.mark.slow

SEEDS = range(20)
FINISHED_STATES = (1, 2, 3)  # COMPLETE, PRUNED and FAIL in Optuna's journal
AT_ONCE = 2


@dataclass(frozen=True)
class Survivor:
    """A search that was killed and went on."""

    seed: int
    moment: str
    killed: str
    killed_after_s: float
    finished_at_kill: int
    reports_at_kill: int
    gone_on_with: str
    trials: int
    epochs_begun: int
    epochs_begun_twice: int
    seconds_to_end: float


@dataclass(frozen=True)
class Kill:
    """When to kill: the name of a phase, and what waits for it."""

    phase: str
    wait: Callable[[Dozen, random.Random], None]


def _start_up(dozen: Dozen, draw: random.Random) -> None:
    deadline = time.monotonic() + draw.uniform(0.2, 8)
    wait_for(lambda: time.monotonic() > deadline or count_reports(dozen.directory) > 0, interval_s=0.01)


def _first_writes(dozen: Dozen, draw: random.Random) -> None:
    first = dozen.directory / draw.choice(["driver.lock", "provenance.json", "search.yaml", "study.journal"])
    wait_for(first.exists, interval_s=0.0005)
    time.sleep(draw.choice([0, draw.uniform(0, 0.05)]))


def _mid_epoch(dozen: Dozen, draw: random.Random) -> None:
    epochs = draw.randint(1, NUM_TRIALS)
    wait_for(lambda: dozen.epochs_begun() >= epochs, interval_s=0.01)
    time.sleep(draw.uniform(0.02, 0.25))


def _between_reports(dozen: Dozen, draw: random.Random) -> None:
    reports = draw.randint(1, NUM_TRIALS)  # every trial has one at least
    wait_for(lambda: count_reports(dozen.directory) >= reports, interval_s=0.002)


def _any_write(dozen: Dozen, draw: random.Random) -> None:
    records = draw.randint(1, 10 * NUM_TRIALS)  # a trial takes more
    wait_for(lambda: len(journal_records(dozen.directory)) >= records, interval_s=0.002)


def _last_second(dozen: Dozen, draw: random.Random) -> None:
    wait_for(lambda: _finished(dozen) >= NUM_TRIALS - 1, interval_s=0.01)
    time.sleep(draw.uniform(0, 0.6))


def _after_the_last_trial(dozen: Dozen, draw: random.Random) -> None:
    wait_for(lambda: _finished(dozen) >= NUM_TRIALS, interval_s=0.002)
    time.sleep(draw.choice([0, draw.uniform(0, 0.3)]))


KILLS = [
    Kill("start-up", _start_up),
    Kill("first writes", _first_writes),
    Kill("mid-epoch", _mid_epoch),
    Kill("between reports", _between_reports),
    Kill("any write", _any_write),
    Kill("last second", _last_second),
    Kill("after the last trial", _after_the_last_trial),
]


def _finished(dozen: Dozen) -> int:
    return sum(record.get("state") in FINISHED_STATES for record in journal_records(dozen.directory))


def _survive(dozen: Dozen, seed: int, undisturbed: list[dict[str, Any]]) -> Survivor:
    kill = KILLS[seed % len(KILLS)]
    began = time.monotonic()
    driver = dozen.run()
    kill.wait(dozen, random.Random(seed))
    assert driver.poll() is None, driver.communicate()[0]
    alone = seed % 2 == 0  # else with its workers: those of a driver that is killed alone end the epoch
    if not alone:
        kill_session(driver.pid)
    driver.kill()
    driver.wait()
    killed_after_s = time.monotonic() - began
    before, reports = dozen.trials(), count_reports(dozen.directory)
    finished = sum(trial.state.is_finished() for trial in before)
    verb, seconds = dozen.go_on()
    check_ended(dozen, before, undisturbed)
    return Survivor(
        seed=seed,
        moment=kill.phase,
        killed="driver" if alone else "driver and workers",
        killed_after_s=round(killed_after_s, 2),
        finished_at_kill=finished,
        reports_at_kill=reports,
        gone_on_with=verb,
        trials=len(dozen.trials()),
        epochs_begun=dozen.epochs_begun(),
        epochs_begun_twice=epochs_begun_twice(dozen),
        seconds_to_end=round(seconds, 1),
    )


# Points of the code, at which a sampler or pruner of the test's ends the driver.
MOMENTS = [
    "ask 0 0",  # the study has nothing but a trial without parameters
    "ask 4 2",  # some of a trial's parameters are recorded
    "model 11",  # past the random trials: the model has drawn, nothing is recorded
    "stop",  # the pruner has judged, the trial is not stopped yet
    "tell 3",  # all is reported, the trial is not ended yet
    "tell 11",  # the last trial's end
]


def _survive_at(dozen: Dozen, moment: str, undisturbed: list[dict[str, Any]]) -> int:
    """Returns the epochs that were begun twice."""
    driver = dozen.run(FAULTY_DEATH=moment)
    output, _ = driver.communicate(timeout=180)
    assert driver.returncode == -signal.SIGKILL, output
    before = dozen.trials()
    assert before[-1].state.name == "RUNNING"
    dozen.go_on()
    check_ended(dozen, before, undisturbed)
    return epochs_begun_twice(dozen)


NUM_RECORDS = [None, 0, 1, 2]


def _begin_from(dozen: Dozen, num_records: int | None, reference: Dozen, undisturbed: list[dict[str, Any]]) -> int:
    """Resumes a search whose driver died after so many records and a part of the next; None: before the journal."""
    dozen.directory.mkdir()
    for name in ("search.yaml", "provenance.json"):
        (dozen.directory / name).write_bytes((reference.directory / name).read_bytes())
    if num_records is not None:
        records = (reference.directory / "study.journal").read_bytes().splitlines(keepends=True)
        (dozen.directory / "study.journal").write_bytes(b"".join(records[:num_records]) + records[num_records][:20])
    verb, _ = dozen.go_on()
    assert verb == "resume"
    check_ended(dozen, [], undisturbed)
    return len(dozen.trials())


Work = Callable[[str, Callable[[Dozen], Any]], Future[Any]]


@pytest.fixture(scope="module")
def side_by_side(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """Starts work on a search of its own under a name, once, in one of two threads."""
    folder = tmp_path_factory.mktemp("killed")
    futures: dict[str, Future[Any]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def begin(name: str, work: Callable[[Dozen], Any]) -> Future[Any]:
            if name not in futures:
                futures[name] = pool.submit(work, Dozen(project, folder / name.replace(" ", "-")))
            return futures[name]

        yield begin
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def at_moments(side_by_side: Work, undisturbed: list[dict[str, Any]]) -> dict[str, Future[int]]:
    return {m: side_by_side(m, partial(_survive_at, moment=m, undisturbed=undisturbed)) for m in MOMENTS}


@pytest.fixture(scope="module")
def begun(side_by_side: Work, undisturbed: list[dict[str, Any]], reference: Dozen) -> dict[int | None, Future[int]]:
    work = partial(_begin_from, reference=reference, undisturbed=undisturbed)
    return {n: side_by_side(f"records {n}", partial(work, num_records=n)) for n in NUM_RECORDS}


@pytest.fixture(scope="module")
def survivors(side_by_side: Work, undisturbed: list[dict[str, Any]]) -> dict[int, Future[Survivor]]:
    return {s: side_by_side(f"seed {s}", partial(_survive, seed=s, undisturbed=undisturbed)) for s in SEEDS}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_search_killed_at_one_point_of_its_code_ends_as_the_undisturbed_one(
    at_moments: dict[str, Future[int]], moment: str
) -> None:
    assert 0 <= at_moments[moment].result() <= 1


@pytest.mark.parametrize("num_records", NUM_RECORDS)
def test_a_search_killed_before_its_first_trial_is_begun_by_resume(
    begun: dict[int | None, Future[int]], num_records: int | None
) -> None:
    assert begun[num_records].result() == NUM_TRIALS


@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_search_ends_as_the_undisturbed_one(survivors: dict[int, Future[Survivor]], seed: int) -> None:
    survivor = survivors[seed].result()
    assert survivor.trials == NUM_TRIALS
    assert 0 <= survivor.epochs_begun_twice <= 1


def test_all_kills_together_cost_an_epoch_each_at_most(
    survivors: dict[int, Future[Survivor]], capsys: pytest.CaptureFixture[str]
) -> None:
    all_of_them = [survivors[seed].result() for seed in SEEDS]
    with capsys.disabled():
        print()
        for survivor in all_of_them:
            print(json.dumps(asdict(survivor)))
        print(
            json.dumps(
                {
                    "searches": len(all_of_them),
                    "trials": sum(s.trials for s in all_of_them),
                    "finished_at_kill": sum(s.finished_at_kill for s in all_of_them),
                    "epochs_begun": sum(s.epochs_begun for s in all_of_them),
                    "epochs_begun_twice": sum(s.epochs_begun_twice for s in all_of_them),
                }
            )
        )
    assert {s.moment for s in all_of_them} == {kill.phase for kill in KILLS}
    assert sum(s.epochs_begun_twice for s in all_of_them) <= len(all_of_them)


@pytest.fixture(scope="module")
def reference(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Dozen:
    """The search that nobody kills."""
    dozen = Dozen(project, tmp_path_factory.mktemp("undisturbed") / "search")
    driver = dozen.run()
    output, _ = driver.communicate(timeout=180)
    assert driver.returncode == 0, output
    return dozen


@pytest.fixture(scope="module")
def undisturbed(reference: Dozen) -> list[dict[str, Any]]:
    trials = [facts(trial) for trial in reference.trials()]
    assert {trial["outcome"] for trial in trials} == {"complete", "stopped"}
    assert epochs_begun_twice(reference) == 0
    return trials
