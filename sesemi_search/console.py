"""The terminal that the verbs print to."""

import os
import sys
from collections.abc import Callable
from functools import partial

from rich.console import Console

__all__ = ["make_console"]

# A log file has no width of its own; tables read better than at rich's 80.
_FILE_WIDTH = 120


class _Console(Console):
    """A console that falls silent when its reader is gone (`| head`): what shows a search must not end it."""

    def on_broken_pipe(self) -> None:
        """Prints no more, here or at the end of the program."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def make_console() -> tuple[Console, Callable[[str], None]]:
    """Returns the terminal, and what prints a line of text there as it is."""
    console = _Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _FILE_WIDTH
    return console, partial(console.print, soft_wrap=True, markup=False)
