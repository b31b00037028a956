"""The page of a search, written when the search ends."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sesemi_search.errors import describe_exception
from sesemi_search.report.page.render import write_report
from sesemi_search.search.stored_search import read_search
from sesemi_search.tracking.tracker import RunStart

__all__ = ["ReportFile"]

logger = logging.getLogger(__name__)


class ReportFile:
    """Writes `report.html` when it is closed: a tracker that comes before those which show the file.

    A search whose page cannot be written has ended all the same.

    Args:
        directory: The search directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def start(self, run: RunStart) -> None:
        """A run begins."""

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """An epoch ended."""

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        """A run ended."""

    def close(self) -> None:
        """The search is over, though its driver still holds the lock."""
        try:
            write_report(replace(read_search(self._directory), holder=""))
        except Exception as error:  # of any kind: what was searched must not be lost for a page
            logger.warning(f"the report is not written: {describe_exception(error)}")
