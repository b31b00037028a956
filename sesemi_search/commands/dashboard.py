"""`sesemi-search dashboard DIR`: Optuna's dashboard of a search, on this machine alone, while it runs or after."""

import importlib.util
from collections.abc import Sequence
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from sesemi_search.console import print_text
from sesemi_search.errors import ConfigError
from sesemi_search.search.directory import only_directory
from sesemi_search.search.stored_search import open_to_show, read_search

__all__ = ["dashboard_command"]

_HOST = "127.0.0.1"
_PORT = 8080


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each request on a thread of its own, for none of which the end waits."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Prints nothing of a request."""


def dashboard_command(arguments: Sequence[str], port: int | None) -> int:
    """Serves the dashboard until Ctrl-C; returns the exit code.

    Args:
        arguments: The search directory.
        port: The port to listen on; 0 takes one that is free.

    Raises:
        ConfigError: There is no such search, the dashboard is not installed, or the port is taken.
    """
    stored = read_search(only_directory("dashboard", arguments))
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise ConfigError("dashboard", "it needs optuna-dashboard: pip install 'sesemi-search[dashboard]'")
    import optuna_dashboard

    app = optuna_dashboard.wsgi(open_to_show(stored))
    try:
        server = make_server(_HOST, _PORT if port is None else port, app, _Server, _QuietHandler)
    except (OSError, OverflowError) as error:
        raise ConfigError("--port", f"{_PORT if port is None else port}: {error}; name another one.") from error
    with server:
        print_text(f"{stored.name}: http://{_HOST}:{server.server_port}/dashboard (Ctrl-C ends it)")
        print_text("what is changed there is not kept: the ledger is only read")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0
