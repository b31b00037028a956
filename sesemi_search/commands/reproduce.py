"""The verb `reproduce`: runs a trial again and says whether its numbers come out the same."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing

from rich.console import Console

from sesemi_search.config.compose import Request
from sesemi_search.console import make_console, show_progress
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import align_columns
from sesemi_search.project.project import activate, find_project
from sesemi_search.report.search import Search
from sesemi_search.search.directory import given_directory
from sesemi_search.search.reproduction import EpochAgain, find_differences, reproduce_trial
from sesemi_search.search.stopping import error_line
from sesemi_search.search.stored_search import read_search

__all__ = ["reproduce_command"]

logger = logging.getLogger(__name__)


def reproduce_command(request: Request, trial: int | None) -> int:
    """Runs a trial of the search in the first override's directory again; returns 0 where it comes out the same.

    Args:
        request: What was typed: the directory, and `trial=NUMBER` in place of the option.
        trial: The trial; None for the best.

    Raises:
        ConfigError: There is no such trial, it has no epoch, or what it needs is not there.
    """
    console = make_console()
    directory = given_directory("reproduce", request.overrides)
    stored = read_search(directory)
    number = Search(stored).find_trial(_read_trial(request.overrides[1:], trial)).number
    record = next(each for each in stored.records if each.number == number)
    project = find_project(request.project, directory)
    activate(project)
    logger.info(
        f"trial {number} again: {len(record.metrics)} epochs, {record.outcome.value}; it stops where it differs"
    )
    with closing(reproduce_trial(directory, record, project)) as epochs:
        last = _compare(epochs, len(record.metrics))
    if last.is_equal:
        console.print(f"equal to the bit in all {len(record.metrics)} epochs: {', '.join(last.compared)}")
    else:
        _print_difference(last, console)
    _print_changes(find_differences(directory, record, project), console)
    return 0 if last.is_equal else 1


def _compare(epochs: Iterator[EpochAgain], num_epochs: int) -> EpochAgain:
    """Returns the first epoch that differs, else the last one."""
    with show_progress() as show:
        show(f"epoch 1 of {num_epochs}")
        for epoch in epochs:
            if not epoch.is_equal:
                break
            show(f"epoch {epoch.epoch + 1} of {num_epochs}")
    return epoch


def _print_changes(changes: Sequence[str], console: Console) -> None:
    if not changes:
        console.print(
            "since the search began no package, no file of the project and nothing of the machine has changed"
        )
        return
    console.print("what has changed since the search began:")
    for change in changes:
        console.print(f"- {change}")


def _read_trial(words: Sequence[str], trial: int | None) -> int | None:
    """Returns the trial that `trial=NUMBER` or the option names.

    Raises:
        ConfigError: There are other words, or it is no number.
    """
    for word in words:
        key, _, value = word.partition("=")
        if key != "trial" or not value.isdecimal():
            raise ConfigError(
                "reproduce", f"got {word!r} behind the directory; it takes trial=NUMBER and nothing else."
            )
        trial = int(value)
    return trial


def _print_difference(epoch: EpochAgain, console: Console) -> None:
    if not epoch.measured:
        console.print(f"epoch {epoch.epoch} does not come out: {error_line(epoch.message)}")
        return
    console.print(f"epoch {epoch.epoch} is the first that differs:")
    rows = [(name, repr(epoch.recorded[name]), repr(epoch.measured[name])) for name in epoch.differing]
    for line in align_columns([("", "recorded", "now"), *rows]):
        console.print(f"  {line}")
