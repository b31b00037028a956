"""Servers on loopback for the W&B tests: a compatible one (openwandb), one that hangs, one that fails.

`serve_openwandb` is a context manager, for fixtures here and in the whole-program tests.
"""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

API_KEY = "local" + 40 * "0"


@dataclass(frozen=True)
class OpenWandb:
    """A running openwandb server."""

    url: str
    database: Path
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point wandb at the server."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": API_KEY}

    def runs(self) -> dict[str, dict[str, Any]]:
        """Runs by id: `name`, `state`, `config` (plain values), `summary` (plain values), `tags`, `notes`."""
        columns = "run_id, display_name, state, config_json, summary_json, tags_json, notes"
        found = {}
        for run_id, name, state, config, summary, tags, notes in self._query(f"SELECT {columns} FROM runs"):
            found[run_id] = {
                "name": name,
                "state": state,
                "config": {key: _unwrap(value) for key, value in json.loads(config).items()},
                "summary": json.loads(summary),
                "tags": json.loads(tags),
                "notes": notes,
            }
        return found

    def history(self, run_id: str, key: str) -> list[tuple[int, float]]:
        """Pairs of step and value, in the order in which they arrived."""
        return self._query("SELECT step, value FROM metrics WHERE run_id = ? AND key = ? ORDER BY id", run_id, key)

    def files(self, run_id: str) -> dict[str, Path]:
        """Files of a run by name; `wandb-summary.json` has the whole summary."""
        return {name: Path(path) for name, path in self._query("SELECT name, path FROM files WHERE run_id = ?", run_id)}

    def models(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Facts of the model artifacts of a run, by name; the server keeps no aliases."""
        sql = "SELECT name, metadata_json FROM artifacts WHERE run_id = ? AND artifact_type = 'model'"
        return {name: json.loads(facts) for name, facts in self._query(sql, run_id)}

    def kill(self) -> None:
        """The server is gone at once."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _query(self, sql: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, values).fetchall()


def _unwrap(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and "value" in value else value


@contextmanager
def serve_openwandb(data_dir: Path) -> Iterator[OpenWandb]:
    """Starts a server with an empty database and ends it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["-m", "openwandb", "serve", "--host", "127.0.0.1", "--port", str(port), "--data-dir", str(data_dir)]
    environment = {**os.environ, "OPENWANDB_DATA_DIR": str(data_dir)}
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    try:
        _wait_until_up(url, process)
        yield OpenWandb(url, data_dir / "openwandb.db", process)
    finally:
        process.kill()
        process.wait()


def _wait_until_up(url: str, process: subprocess.Popen[bytes], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        assert process.poll() is None, "openwandb ended at its start"
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"openwandb did not answer at {url}")


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve_silence() -> Iterator[str]:
    """A server that accepts and never answers; yields its URL."""
    accepted = []

    def accept() -> None:
        while True:
            try:
                accepted.append(listener.accept()[0])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in accepted:
        connection.close()


class _Answer(BaseHTTPRequestHandler):
    status: int

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(self.status)
        self.send_header("content-length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def serve_status(status: int) -> Iterator[str]:
    """A server whose every answer is this HTTP status; yields its URL."""
    handler = type("Answer", (_Answer,), {"status": status})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
