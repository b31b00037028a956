import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sesemi_search.search.ray_tune.signals import Signals, signals_interrupt
from sesemi_search.search.session import Session
from sesemi_search.search.stopping import StopKind
from tests.search.told_search import open_session


@pytest.fixture
def session(project: Path, tmp_path: Path) -> Session:
    return open_session(project, tmp_path / "search")[0]


@pytest.fixture(params=[signal.SIG_DFL])
def hangup(request: pytest.FixtureRequest) -> Iterator[None]:
    """Treats a hangup as a shell does, or as nohup does, which the tests themselves may run under."""
    before = signal.signal(signal.SIGHUP, request.param)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_closed_stops_a_search_as_sigterm_does(session: Session, hangup: None) -> None:
    with Signals(session) as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert session.stop is not None
        assert (session.stop.kind, session.stop.text) == (StopKind.signal, "SIGHUP")
        assert not signals.twice
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


@pytest.mark.parametrize("hangup", [signal.SIG_IGN], indirect=True)
def test_under_nohup_a_closed_terminal_is_nothing(session: Session, hangup: None) -> None:
    with Signals(session):
        os.kill(os.getpid(), signal.SIGHUP)
        assert session.stop is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_search_interrupts_it_even_where_a_library_catches_that(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), signals_interrupt() as interrupt_again:
        with contextlib.suppress(BaseException):
            signal.raise_signal(number)
        interrupt_again()
    with signals_interrupt() as interrupt_again:
        interrupt_again()
    assert signal.getsignal(number) is before
