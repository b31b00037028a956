"""`report`: the page that it writes, and the one that it serves until Ctrl-C."""

import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.report.page.serve import PageServer
from tests.made_up_search import make_up_search, trial

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def directory(project: Path) -> Path:
    return make_up_search(project / "runs" / "tiny" / "one", [trial(0, [0.5]), trial(1, [0.6])])


def test_the_page_is_written_into_the_search_directory(directory: Path, command: Command) -> None:
    assert command("report", str(directory)) == (0, "runs/tiny/one/report.html\n")
    assert "<title>tiny: search report</title>" in (directory / "report.html").read_text()


def test_the_page_is_written_to_a_file_that_is_named(directory: Path, command: Command, tmp_path: Path) -> None:
    code, output = command("report", str(directory), "--out", str(tmp_path / "page.html"))
    assert (code, output) == (0, f"{tmp_path / 'page.html'}\n")
    assert (tmp_path / "page.html").is_file()
    assert not (directory / "report.html").exists()


def test_remove_takes_the_page_with_the_search(directory: Path, command: Command) -> None:
    command("report", str(directory))
    assert command("remove", str(directory), "--yes") == (0, "removed\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "no/where.html"], "no/where.html cannot be written"),
        (["--out", "page.html", "--watch"], "writes the page or serves it"),
        (["--port", "8000"], "without --watch"),
        (["--watch", "--port", "70000"], "got --port 70000"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    directory: Path, command: Command, options: list[str], said: str
) -> None:
    code, output = command("report", str(directory), *options)
    assert code == 2
    assert said in output
    assert not (directory / "report.html").exists()


def test_a_port_that_is_taken_is_told(directory: Path, command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = command("report", str(directory), "--watch", "--port", str(port))
    assert code == 2
    assert f"got --port {port}, which cannot be had" in output


def test_the_server_tells_what_is_new_to_who_asks_for_it_by_its_name(directory: Path) -> None:
    with PageServer(directory) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def get(path: str, host: str | None = None) -> str:
            request = urllib.request.Request(server.address + path, headers={} if host is None else {"Host": host})
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                text: str = answer.read().decode()
                return text

        assert "connect-src 'self'" in get("") and " data-live" in get("")
        content = json.loads(get("content.json?seen="))
        assert content["trials"]["number"] == [0, 1]
        assert get(f"content.json?seen={content['version']}") == "null"
        longer = make_up_search(directory.parent / "more" / "one", [trial(n, [0.5]) for n in range(3)])
        (directory / "study.journal").write_bytes((longer / "study.journal").read_bytes())
        assert json.loads(get(f"content.json?seen={content['version']}"))["trials"]["number"] == [0, 1, 2]
        for path, host, status in (("", "evil.example", 403), ("../search.yaml", None, 404)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                get(path, host)
            assert refused.value.code == status
            refused.value.close()
        server.shutdown()


def test_ctrl_c_ends_what_is_served_in_order(directory: Path) -> None:
    argv = [sys.executable, "-m", "sesemi_search", "report", str(directory), "--watch"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (0, "", "")
    assert not (directory / "report.html").exists()
