"""The terminal that the verbs print to, and what the program says there: nothing else of ours writes to it.

Whatever is shown may hold names and messages from anybody's files, so control characters in it are shown as text.
All that is said goes through the logger `sesemi_search`: INFO and above are lines in the terminal, as they are. What
was said is remembered, so that a search can begin its `search.log` with it once its directory is there.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from sesemi_search.formatting import escape_controls

__all__ = [
    "EscapingFormatter",
    "ShowProgress",
    "make_console",
    "print_text",
    "progress_line",
    "show_progress",
    "take_lines",
]

# A log file has no width of its own; tables read better than at rich's 80.
_FILE_WIDTH = 120
_REMEMBERED = 1000  # lines
_BAR_WIDTH = 20


class _Console(Console):
    """A console that falls silent when nobody takes its lines any more: what shows a search must not end it.

    Its reader is gone (`| head`), the disk under its file is full, its terminal was closed.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Renders without control characters but rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=escape_controls(segment.text))

    def on_broken_pipe(self) -> None:
        """Prints no more, here or at the end of the program."""
        self.quiet = True
        _silence(sys.stderr if self.stderr else sys.stdout)

    def _check_buffer(self) -> None:
        # Where rich itself catches a broken pipe, and no other error.
        try:
            super()._check_buffer()
        except OSError:
            self.on_broken_pipe()


class EscapingFormatter(logging.Formatter):
    """Formats what other libraries log without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        return escape_controls(super().format(record))


def print_text(text: str, *, is_error: bool = False) -> None:
    """Prints a text as it is, and a line end, to the standard output or error: YAML, say, for another program.

    Its reader may be gone before the end (`| head`).
    """
    stream = sys.stderr if is_error else sys.stdout
    try:
        print(escape_controls(text), file=stream, flush=True)
    except BrokenPipeError:
        _silence(stream)


def _silence(stream: TextIO) -> None:
    """Lets the rest of what goes to a stream go nowhere, what it holds already too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _ConsoleHandler(logging.Handler):
    """Prints what is said, and remembers it."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._lines: list[logging.LogRecord] | None = []

    def createLock(self) -> None:
        """Has no lock: rich's console has its own, and a signal's line may come while that is held."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a line."""
        if self._lines is not None and len(self._lines) < _REMEMBERED:
            self._lines.append(record)
        if record.levelno >= logging.INFO:
            self._console.print(self.format(record), soft_wrap=True, markup=False)

    def take(self) -> list[logging.LogRecord]:
        """Returns what it remembers, and remembers no more."""
        lines, self._lines = self._lines or [], None
        return lines


def make_console() -> Console:
    """Returns the terminal, on which from now on appears what the program says, and on no earlier one."""
    _open_standard_streams()
    console = _Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _FILE_WIDTH
    ours = logging.getLogger("sesemi_search")
    for handler in [each for each in ours.handlers if isinstance(each, _ConsoleHandler)]:
        ours.removeHandler(handler)
    ours.addHandler(_ConsoleHandler(console))
    ours.setLevel(logging.DEBUG)
    ours.propagate = False  # the module of a user may have set up Python's root logger
    return console


class ShowProgress(Protocol):
    """What shows on a line what is being done, in the place of what it showed before."""

    def __call__(self, text: str, share: float | None = None) -> None:
        """Shows a text behind a bar.

        Args:
            text: What is being done.
            share: How much of it is, 0 to 1; None where nobody knows.
        """


@contextmanager
def show_progress() -> Iterator[ShowProgress]:
    """Gives what shows a bar and a text on one line, of which nothing stays at the end.

    The line is the standard error's where that is a terminal; files and pipes get nothing of it. Lines of the logger do
    not know of it: log before and after.
    """
    if not sys.stderr.isatty():
        yield lambda text, share=None: None  # noqa: ARG005
        return
    console = _Console(stderr=True, highlight=False, markup=False, emoji=False)
    # What a user's module prints meanwhile stands above the line, or goes where it would without.
    with Live(console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as live:
        yield lambda text, share=None: live.update(progress_line(text, share), refresh=True)


def progress_line(text: str | Text, share: float | None) -> RenderableType:
    """Returns a bar with a text behind it, on one line of any terminal; one that is only full or empty of None."""
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(width=_BAR_WIDTH)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    shown = Text(text) if isinstance(text, str) else text
    line.add_row(ProgressBar(total=1.0 if share is not None else None, completed=share or 0.0, width=_BAR_WIDTH), shown)
    return line


def _open_standard_streams() -> None:
    """Opens the null device as each standard stream that is closed (`>&-`), before another file gets its number.

    Python has None in the place of such a stream, which Ray and other libraries do not expect.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", closefd=False))


def take_lines() -> list[logging.LogRecord]:
    """Returns what was said since the terminal was made, the first thousand lines of it, and remembers no more."""
    lines: list[logging.LogRecord] = []
    for handler in logging.getLogger("sesemi_search").handlers:
        if isinstance(handler, _ConsoleHandler):
            lines += handler.take()
    return lines
