"""A search that is told to stop, as a shell, a scheduler or a hasty user would tell it."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import count_reports, descendants, end_all, read_trials, start, wait_for

SLOW = "space.learner.hparams.model.backbone={_target_: faulty.Slow}"


@pytest.fixture(autouse=True)
def _end_all() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "search"


@pytest.mark.parametrize(
    ("number", "to_group"),
    [
        (signal.SIGINT, True),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, True, marks=pytest.mark.slow),
    ],
)
def test_one_signal_ends_the_search_in_order_and_resume_ends_it_whole(
    ray: None,
    project: Path,
    directory: Path,
    number: signal.Signals,
    to_group: bool,
    command: Callable[..., tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = start(project, "run", "space=tiny", SLOW, "search.num_trials=3", f"search.dir={directory}")
    wait_for(lambda: count_reports(directory) >= 2)
    (os.killpg if to_group else os.kill)(driver.pid, number)
    output, _ = driver.communicate(timeout=60)
    assert driver.returncode == 130, output
    assert "Traceback" not in output
    assert f"sesemi-search resume {directory}" in " ".join(output.split())
    page = (directory / "report.html").read_text()
    assert '"state":"stopped"' in page
    before = read_trials(directory)
    assert "WAITING" in {t.state.name for t in before}
    assert {t.state.name for t in before} <= {"COMPLETE", "PRUNED", "WAITING"}

    monkeypatch.chdir(project.parent)
    code, output = command("resume", str(directory))
    assert code == 0, output
    assert re.search(r"the search took \S+ this time and \S+ before;", output), output
    assert "report.html" in output
    assert '"state":"finished"' in (directory / "report.html").read_text()
    after = read_trials(directory)
    assert len(after) == 3
    assert {t.state.name for t in after} <= {"COMPLETE", "PRUNED"}
    for old, new in zip(before, after, strict=False):
        assert new.params == old.params
        assert list(new.intermediate_values.items())[: len(old.intermediate_values)] == list(
            old.intermediate_values.items()
        )


@pytest.mark.slow
def test_two_signals_end_the_search_at_once_and_leave_no_process_and_no_running_trial(
    project: Path, directory: Path
) -> None:
    driver = start(project, "run", "space=tiny", SLOW, "run.batch_size_per_gpu=1", f"search.dir={directory}")
    wait_for(lambda: directory.joinpath("trials/0001/config.yaml").exists())
    time.sleep(5)  # an epoch takes more than a minute
    processes = descendants(driver.pid)
    started = time.monotonic()
    os.kill(driver.pid, signal.SIGINT)
    time.sleep(1)
    os.kill(driver.pid, signal.SIGINT)
    output, _ = driver.communicate(timeout=30)
    assert driver.returncode == 130, output
    assert time.monotonic() - started < 20
    assert {t.state.name for t in read_trials(directory)} == {"WAITING"}
    wait_for(lambda: not any(process.is_running() for process in processes))
