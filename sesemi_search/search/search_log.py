"""`search.log` in the search directory: what happened when, to be read when a search went wrong on a far machine."""

import contextlib
import logging
import os
import traceback
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sesemi_search.console import take_lines
from sesemi_search.formatting import escape_controls, mask_passwords
from sesemi_search.search.directory import SEARCH_LOG

__all__ = ["log_to"]

_SECRETS = ("WANDB_API_KEY",)


class _SearchLog(logging.Handler):
    """Appends lines to a file, each with its time, and none with a key or a password.

    Each line is one write without a buffer: a signal may come between two of them, and a killed driver loses none. A
    disk that takes no more loses the line and not the search.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)

    def format(self, record: logging.LogRecord) -> str:
        """Returns a line, and further ones indented."""
        time = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + "".join(traceback.format_exception(record.exc_info[1])).rstrip()
        text = mask_passwords(text)
        for name in _SECRETS:
            if secret := os.environ.get(name):
                text = text.replace(secret, "***")
        return f"{time} {record.levelname:7} {escape_controls(text)}".replace("\n", "\n    ")

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line."""
        with contextlib.suppress(OSError):
            os.write(self._file, f"{self.format(record)}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)
        super().close()


@contextlib.contextmanager
def log_to(directory: Path) -> Iterator[None]:
    """Logs to the file of a search directory, after what was said already; a file that cannot be had is none."""
    try:
        handler = _SearchLog(directory / SEARCH_LOG)
    except OSError as error:
        logging.getLogger(__name__).warning(f"no {SEARCH_LOG}: {error}")
        yield
        return
    for record in take_lines():
        handler.emit(record)
    ours = logging.getLogger("sesemi_search")
    ours.addHandler(handler)
    level = ours.level
    ours.setLevel(logging.DEBUG)
    try:
        yield
    except BaseException:
        logging.getLogger(__name__).debug("the search ends in the middle of things", exc_info=True)
        raise
    finally:
        ours.setLevel(level)
        ours.removeHandler(handler)
        handler.close()
