"""The report of a search: one HTML file that opens without a network.

`content` says what the page shows, as columns of JSON; `render` puts it into the file with the scripts and styles of
`assets/`, which draw it; `serve` shows it while the search runs, `report_file` writes it when the search ends.
"""

from sesemi_search.report.page.render import render_report, write_report
from sesemi_search.report.page.report_file import ReportFile

__all__ = ["ReportFile", "render_report", "write_report"]
