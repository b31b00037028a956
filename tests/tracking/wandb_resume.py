"""A proxy before openwandb that answers what a resuming client asks, as the W&B service does.

wandb-core asks `RunResumeStatus` before it goes on with a run: how many lines of history the server has, and the last
of them. It numbers its lines from there, and `run.step` begins behind the last step. openwandb knows the question but
not these answers, so to its clients every run is new. The proxy counts what passes; all else is openwandb's.
"""

import gzip
import http.client
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.tracking.wandb_server import OpenWandb, serve_openwandb

__all__ = ["serve_resuming_openwandb"]

_FILE_STREAM = re.compile(r"/files/[^/]+/[^/]+/([^/]+)/file_stream")
_HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "host")


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        is_zipped = self.headers.get("content-encoding") == "gzip"
        text = gzip.decompress(body) if is_zipped else body
        if self.path.startswith("/graphql") and b"RunResumeStatus" in text:
            name = json.loads(text)["variables"]["name"]
            self._answer(200, [("content-type", "application/json")], json.dumps(self.server.status(name)).encode())
            return
        if match := _FILE_STREAM.match(self.path):
            self.server.count(match[1], json.loads(text))
        self._forward(body)

    def do_GET(self) -> None:
        self._forward(self.rfile.read(int(self.headers.get("content-length", 0))))

    do_PUT = do_GET

    def _forward(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.server.behind.url).netloc, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            self._answer(answer.status, answer.getheaders(), answer.read())
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind: OpenWandb) -> None:
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.behind = behind
        self._lock = threading.Lock()
        self._lines: dict[str, dict[int, str]] = {}

    def count(self, run_id: str, payload: dict[str, Any]) -> None:
        """Keeps the lines of history at their offsets."""
        chunk = payload.get("files", {}).get("wandb-history.jsonl", {})
        with self._lock:
            lines = self._lines.setdefault(run_id, {})
            lines |= {chunk["offset"] + i: line for i, line in enumerate(chunk.get("content", []))}

    def status(self, run_id: str) -> dict[str, Any]:
        """What the service says of a run to a client that resumes it."""
        run = self.behind.runs().get(run_id)
        with self._lock:
            lines = dict(self._lines.get(run_id, {}))
        last = [lines[max(lines)]] if lines else []
        bucket = run and {
            "id": run_id,
            "name": run_id,
            "displayName": run["name"],
            "historyLineCount": len(lines),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "historyTail": json.dumps(last),
            "eventsTail": "[]",
            "summaryMetrics": last[0] if last else "{}",
            "config": json.dumps({key: {"value": value} for key, value in run["config"].items()}),
            "tags": run["tags"],
            "notes": None,
            "wandbConfig": '{"t": {}}',
        }
        return {"data": {"model": {"id": "1", "name": "1", "entity": {"id": "1", "name": "1"}, "bucket": bucket}}}


@contextmanager
def serve_resuming_openwandb(data_dir: Path) -> Iterator[OpenWandb]:
    """Starts a server with an empty database whose runs can be resumed, and ends it."""
    with serve_openwandb(data_dir) as behind:
        server = _Server(behind)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield replace(behind, url=f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
