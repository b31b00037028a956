"""A Ray that cannot start, cannot be joined, or goes away: a message, and what to do."""

import re
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import count_reports, descendants, read_trials, session_members, start, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def long_folder(tmp_path: Path) -> Path:
    """A folder as a batch system gives its jobs."""
    folder = tmp_path / "people" / "group" / "scratch" / "slurm_jobdir" / "1355700" / "node0016"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes one connection, into its queue, and answers no more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            yield port


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_a_folder_too_long_for_a_socket_is_replaced_and_told(
    project: Path, directory: Path, long_folder: Path, name: str
) -> None:
    driver = start(
        project, "run", "space=tiny", "search.num_trials=1", f"search.dir={directory}", **{name: str(long_folder)}
    )
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, output
    assert f"{long_folder}/ray (of {name}) is too long a path for a socket" in output
    assert [trial.state.name for trial in read_trials(directory)] == ["COMPLETE"]


def test_a_folder_that_cannot_be_made_is_replaced_and_told(project: Path, directory: Path) -> None:
    driver = start(
        project, "run", "space=tiny", "search.num_trials=1", f"search.dir={directory}", RAY_TMPDIR="/proc/nowhere"
    )
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0, output
    assert "/proc/nowhere/ray (of RAY_TMPDIR) cannot be written" in output


@pytest.mark.parametrize(
    "address", ["127.0.0.1:{closed}", "127.0.0.1:{silent}", "ray://127.0.0.1:{closed}", "nonsense"]
)
def test_a_cluster_that_does_not_answer_is_told_soon_and_nothing_is_left(
    project: Path, directory: Path, silent_port: int, address: str
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = address.format(closed=free.getsockname()[1], silent=silent_port)
        driver = start(project, "run", "space=tiny", f"ray.address={address}", f"search.dir={directory}")
        output, _ = driver.communicate(timeout=60)
    assert driver.returncode == 2, output
    assert f"error: ray.address: got '{address}'; there is no Ray cluster to join there" in output
    assert "Traceback" not in output
    assert not directory.exists()


def test_a_limit_on_addresses_is_told_and_nothing_is_left(project: Path, directory: Path) -> None:
    driver = start(project, "run", "space=tiny", f"search.dir={directory}")
    wait_for(lambda: bool(Path(f"/proc/{driver.pid}/maps").read_text()))
    resource.prlimit(driver.pid, resource.RLIMIT_AS, (12 * 2**30, 12 * 2**30))
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 2, output
    assert "error: ray.address: got 'local', but a process may use 13 GB of addresses here (ulimit -v)" in output
    assert "Traceback" not in output
    assert not directory.exists()


def test_a_home_that_cannot_be_written_is_told_and_nothing_is_left(project: Path, directory: Path) -> None:
    driver = start(project, "run", "space=tiny", f"search.dir={directory}", HOME="/proc/nowhere")
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 2, output
    assert "error: ray.address: got 'local', but no Ray could be started here (FileNotFoundError" in output
    assert "Traceback" not in output
    assert not directory.exists()


def test_a_search_whose_ray_loses_its_head_says_how_to_go_on(project: Path, directory: Path) -> None:
    module = "{_target_: faulty.second_epoch.Counted, batch_seconds: 0.1}"
    driver = start(
        project,
        "run",
        "space=tiny",
        f"space.learner.hparams.model.backbone={module}",
        "search.num_trials=2",
        f"search.dir={directory}",
    )
    wait_for(lambda: count_reports(directory) >= 1)
    for process in descendants(driver.pid):
        if process.name() == "gcs_server":
            process.send_signal(signal.SIGKILL)
    output, _ = driver.communicate(timeout=240)
    assert driver.returncode != 0
    assert re.search(rf"the head of the Ray cluster .* is gone.* sesemi-search resume {directory}", output), output
    resumed = start(project, "resume", str(directory))
    output, _ = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, output
    assert len(read_trials(directory)) == 2


def test_a_search_that_is_refused_while_ray_starts_leaves_no_process(project: Path, directory: Path) -> None:
    module = "space.learner.hparams.model.backbone={_target_: faulty.bad_modules.TupleBackbone}"
    driver = start(project, "run", "space=tiny", module, f"search.dir={directory}")
    wait_for(lambda: any(each.name() == "gcs_server" for each in session_members(driver.pid)), interval_s=0.01)
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 2, output
    assert "TupleBackbone says out_features" in output
    assert not directory.exists()
    wait_for(lambda: not session_members(driver.pid), timeout_s=20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_ray_starts_leaves_no_process(project: Path, directory: Path, number: signal.Signals) -> None:
    driver = start(project, "run", "space=tiny", f"search.dir={directory}")
    wait_for(lambda: any(each.name() == "gcs_server" for each in session_members(driver.pid)), interval_s=0.01)
    driver.send_signal(number)
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130, output
    assert output.splitlines()[-1] == "interrupted"
    assert not directory.exists()
    wait_for(lambda: not session_members(driver.pid), timeout_s=20)


def test_a_search_that_ends_leaves_no_process(project: Path, directory: Path) -> None:
    driver = start(project, "run", "space=tiny", "search.num_trials=1", f"search.dir={directory}")
    output, _ = driver.communicate(timeout=240)
    assert driver.returncode == 0, output
    wait_for(lambda: not session_members(driver.pid), timeout_s=20)
