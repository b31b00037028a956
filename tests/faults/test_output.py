"""Output that nobody takes: it is lost, and the search is not."""

from pathlib import Path

import pytest

from tests.processes import read_trials, start

NOWHERE = [">/dev/full 2>&1", ">&- 2>&-", "<&- >&- 2>&-"]


def test_a_check_whose_output_has_nowhere_to_go_comes_to_its_end(project: Path) -> None:
    processes = [start(project, "check", "space=tiny", redirect=redirect) for redirect in NOWHERE]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * len(NOWHERE)


@pytest.mark.slow
@pytest.mark.parametrize("redirect", NOWHERE[:2])
def test_a_search_whose_output_has_nowhere_to_go_ends_whole(project: Path, directory: Path, redirect: str) -> None:
    driver = start(project, "run", "space=tiny", "search.num_trials=2", f"search.dir={directory}", redirect=redirect)
    driver.communicate(timeout=120)
    assert driver.returncode == 0, (directory / "search.log").read_text()
    assert [trial.state.is_finished() for trial in read_trials(directory)] == [True, True]


@pytest.mark.parametrize("verb", ["run --help", "show space=tiny"])
def test_a_reader_that_is_gone_leaves_no_traceback(project: Path, verb: str) -> None:
    process = start(project, *verb.split(), redirect="2>errors | true; exit ${PIPESTATUS[0]}")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (project / "errors").read_text() == ""
