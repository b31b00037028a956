"""The page on loopback while a search runs: it asks for news and draws what is new, where its reader was."""

import http.server
import json
import os
import threading
from functools import partial
from http import HTTPStatus
from pathlib import Path

from sesemi_search.errors import ConfigError, SesemiSearchError
from sesemi_search.report.page.content import make_content
from sesemi_search.report.page.render import encode_content, render_report
from sesemi_search.search.directory import JOURNAL, lock_holder
from sesemi_search.search.stored_search import read_search

__all__ = ["PageServer"]

_HOST = "127.0.0.1"


class PageServer(http.server.ThreadingHTTPServer):
    """Serves the page of one search: `/`, and `/content.json?seen=VERSION`, which is empty when that is the newest.

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
        self._news = ("", "")
        try:
            super().__init__((_HOST, port), partial(_Handler, self))
        except (OSError, OverflowError) as error:
            raise ConfigError("report", f"got --port {port}, which cannot be had: {error}.") from error

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{_HOST}:{self.server_port}/"

    def render(self) -> str:
        """Returns the page as it is now."""
        return render_report(read_search(self._directory), is_live=True)

    def news(self) -> tuple[str, str]:
        """Returns the version of what the page shows, and that as JSON; it is read anew when the ledger has changed."""
        with self._reading:
            version = self._version()
            if not version or version != self._news[0]:
                content = make_content(read_search(self._directory))
                self._news = (version, encode_content({**content, "version": version}))
            return self._news

    def _version(self) -> str:
        """Returns what differs when the ledger does; "" where that cannot be told, of a study in a storage."""
        try:
            known = os.stat(self._directory / JOURNAL)  # noqa: PTH116
        except OSError:
            return ""
        return f"{known.st_mtime_ns}-{known.st_size}-{'running' if lock_holder(self._directory) else ''}"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request."""

    def __init__(self, page: PageServer, *arguments: object) -> None:
        self._page = page
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Sends the page, or what is new."""
        # A name that leads here from elsewhere is none of ours: a web site could read the search by it.
        if self.headers.get("Host", "") not in (
            f"{_HOST}:{self._page.server_port}",
            f"localhost:{self._page.server_port}",
        ):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", "")
            return
        path, _, query = self.path.partition("?")
        try:
            if path == "/":
                self._send(HTTPStatus.OK, "text/html", self._page.render())
            elif path == "/content.json":
                version, content = self._page.news()
                is_seen = bool(version) and query == f"seen={version}"
                self._send(HTTPStatus.OK, "application/json", json.dumps(None) if is_seen else content)
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
