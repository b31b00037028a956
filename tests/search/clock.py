"""A clock for a watchdog: a test says how long it waits, and a busy machine adds nothing."""


class Clock:
    """Gives the time in seconds, which passes where a test says so alone."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def __call__(self) -> float:
        return self._now_s

    def wait(self, seconds: float) -> None:
        self._now_s += seconds
