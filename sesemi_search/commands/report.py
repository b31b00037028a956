"""`sesemi-search report DIR`: the search as one HTML page, written, or served while the search runs."""

from collections.abc import Sequence

from sesemi_search.console import print_text
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import quote_path
from sesemi_search.project.project import project_path
from sesemi_search.report.page import write_report
from sesemi_search.report.page.serve import PageServer
from sesemi_search.search.directory import only_directory
from sesemi_search.search.stored_search import read_search

__all__ = ["report_command"]


def report_command(arguments: Sequence[str], out: str | None, watch: bool, port: int | None) -> int:
    """Writes the page of a search, or serves it until Ctrl-C; returns the exit code.

    Args:
        arguments: The search directory.
        out: The file to write; None for `report.html` in the search directory.
        watch: Serve the page, and write none.
        port: The port to serve it on; None for a free one.

    Raises:
        ConfigError: There is no search, the file cannot be written or the port not be had.
    """
    directory = only_directory("report", arguments)
    if watch and out is not None:
        raise ConfigError("report", f"got --out {out} and --watch; it writes the page or serves it.")
    if port is not None and not watch:
        raise ConfigError("report", f"got --port {port} without --watch, which serves the page.")
    stored = read_search(directory)
    if not watch:
        print_text(quote_path(write_report(stored, None if out is None else project_path(None, out))))
        return 0
    with PageServer(directory, port or 0) as server:
        try:  # whoever reads the address may end it at once
            print_text(f"{server.address} shows {quote_path(directory)} as it runs; Ctrl-C ends it")
            server.serve_forever()
        except KeyboardInterrupt:
            pass
    return 0
