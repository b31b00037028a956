"""Signals that end a search: Ctrl-C, SIGTERM, a terminal that is closed."""

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from sesemi_search.search.stopping import Stop, StopKind

if TYPE_CHECKING:  # it takes torch, and this is needed before that is there
    from sesemi_search.search.session import Session

__all__ = ["Signals", "signals_interrupt"]

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def signals_interrupt() -> Iterator[Callable[[], None]]:
    """Lets every signal that ends a search interrupt the block: it has Ray to end, and no trial runs yet.

    Gives what raises the KeyboardInterrupt once more if it was lost: a library that is imported may catch all there is.
    """
    seen: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        seen.append(number)
        raise KeyboardInterrupt

    def interrupt_again() -> None:
        if seen:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield interrupt_again
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, *_terminations())}
    try:
        yield interrupt_again
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminations() -> list[signal.Signals]:
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # as nohup leaves it
    return [signal.SIGTERM] if is_ignored else [signal.SIGTERM, signal.SIGHUP]


class Signals:
    """A signal to stop once ends a search in order, twice at once: Ctrl-C, SIGTERM, a terminal that is closed."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._count = 0

    @property
    def twice(self) -> bool:
        """Whether the search was told to stop at once."""
        return self._count > 1

    def __enter__(self) -> "Signals":
        # After Ray was joined, which sets a handler for SIGTERM.
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, *_terminations())}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._count += 1
        if self._count > 1:
            raise KeyboardInterrupt
        # A signal comes before other reasons to stop: the exit code tells that the user did it.
        self._session.stop = Stop(StopKind.signal, signal.Signals(number).name)
        running = len(self._session.running)
        trials = f"{running} running trial{'s' * (running != 1)}"
        logger.info(f"stopping: {trials} will end the epoch; once more to stop at once")
