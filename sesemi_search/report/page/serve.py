"""The page on loopback while a search runs: it asks for news and draws what is new, where its reader was."""

import hashlib
import http.server
import threading
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sesemi_search.errors import ConfigError, SesemiSearchError
from sesemi_search.project.project import METRICS
from sesemi_search.report.page.content import make_content
from sesemi_search.report.page.render import encode_content, render_content
from sesemi_search.search.directory import JOURNAL, count_finals, final_dir, lock_holder
from sesemi_search.search.stored_search import read_search

__all__ = ["PageServer"]

_HOST = "127.0.0.1"


class PageServer(http.server.ThreadingHTTPServer):
    """Serves the page of one search: `/`, and `/content.json?seen=VERSION`, null when that is the newest.

    Args:
        directory: The search directory.
        port: The port, 0 for a free one.

    Raises:
        ConfigError: The port cannot be had.
    """

    daemon_threads = True

    def __init__(self, directory: Path, port: int = 0) -> None:
        self._directory = directory
        self._reading = threading.Lock()  # one at a time: ten readers ask no more of the disk than one
        self._read = ""
        self._content: Mapping[str, Any] = {}
        try:
            super().__init__((_HOST, port), partial(_Handler, self))
        except (OSError, OverflowError) as error:
            raise ConfigError("report", f"got --port {port}, which cannot be had: {error}.") from error

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{self.names[0]}/"

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts that a browser may call it."""
        return tuple(f"{host}:{self.server_port}" for host in (_HOST, "localhost"))

    def content(self) -> Mapping[str, Any]:
        """Returns what the page shows, with a `version`; it is read anew when the ledger has changed."""
        with self._reading:
            state = self._state()
            if not state or state != self._read:
                content = make_content(read_search(self._directory))
                known = {**content, "search": {**content["search"], "written": ""}}
                version = hashlib.sha256(encode_content(known).encode()).hexdigest()
                self._read, self._content = state, {**content, "version": version}
            return self._content

    def _state(self) -> str:
        """Returns what differs when the ledger does; "" where that takes a reading, of a study in a storage."""
        try:
            known = (self._directory / JOURNAL).stat()
        except OSError:
            return ""
        finals = [final_dir(self._directory, n + 1) for n in range(count_finals(self._directory))]
        ended = sum((folder / METRICS).is_file() for folder in finals)
        return f"{known.st_mtime_ns} {known.st_size} {lock_holder(self._directory)} {ended}"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    def __init__(self, page: PageServer, *arguments: object) -> None:
        self._page = page
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Sends the page, or what is new."""
        # A name that leads here from elsewhere is none of ours: a web site could read the search by it.
        if self.headers.get("Host", "") not in self._page.names:
            self._send(HTTPStatus.FORBIDDEN, "text/plain", "")
            return
        path, _, query = self.path.partition("?")
        try:
            if path == "/":
                self._send(HTTPStatus.OK, "text/html", render_content(self._page.content(), is_live=True))
            elif path == "/content.json":
                content = self._page.content()
                is_seen = query == f"seen={content['version']}"
                self._send(HTTPStatus.OK, "application/json", "null" if is_seen else encode_content(content))
            else:
                self._send(HTTPStatus.NOT_FOUND, "text/plain", "")
        except SesemiSearchError as error:  # it was removed meanwhile, say
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", str(error))
        except ConnectionError:  # the reader left
            return

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Says nothing of a request."""
