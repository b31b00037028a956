"""What trials failed of: each error once, how often, and the file that has the whole of it."""

from collections.abc import Sequence
from pathlib import Path

from sesemi_search.formatting import format_path, shorten
from sesemi_search.report.trial_rows import TrialRow
from sesemi_search.search.directory import error_file

__all__ = ["describe_failures"]

_NUM_ERRORS = 3  # different ones that are shown


def describe_failures(rows: Sequence[TrialRow], directory: Path) -> list[str]:
    """Returns a line for each of the first errors, and one for all others."""
    by_error: dict[str, list[TrialRow]] = {}
    for row in rows:
        if row.is_failure:
            by_error.setdefault(row.error, []).append(row)
    lines = []
    for error, failed in list(by_error.items())[:_NUM_ERRORS]:
        file = format_path(error_file(directory, failed[0].number))
        trials = f"{len(failed)} trial{'s' * (len(failed) != 1)} failed"
        lines.append(f"{trials}: {shorten(error)} (the whole of it: {file})")
    if len(by_error) > _NUM_ERRORS:
        others = f"{len(by_error) - _NUM_ERRORS} other errors: error.txt in the folders of the trials in "
        lines.append(f"{others}{format_path(directory / 'trials')}")
    return lines
