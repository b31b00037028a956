"""The report of a search: one HTML file that opens without a network.

`content` says what the page shows, as columns of JSON; `render` puts it into the file with the scripts and styles of
`assets/`, which draw it; `serve` shows it while the search runs.
"""

from sesemi_search.report.page.render import render_report, write_report

__all__ = ["render_report", "write_report"]
