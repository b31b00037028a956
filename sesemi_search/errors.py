"""What goes wrong, as types: the root of our errors, and the mistakes a user can mend.

A mistake is a `Problem`, a value: the dotted key, the text (what was found, what is allowed, what to do) and where it
is written. Code compares problems and moves them to another key; what is printed of one is all that its reader gets.
"""

import difflib
import signal
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

__all__ = [
    "ArgumentError",
    "ConfigError",
    "Fault",
    "Kind",
    "Problem",
    "SesemiSearchError",
    "UserCodeExit",
    "describe_exception",
    "exception_text",
    "raise_problems",
    "suggest",
    "user_code",
]


class SesemiSearchError(Exception):
    """The root of every error that this package raises on purpose."""


class Kind(Enum):
    """What sort of mistake a problem is, as far as code has to know.

    Attributes:
        config: Something that is written, or that what was built from it does.
        construction: The node at the key cannot be built, whatever it is built into.
    """

    config = "config"
    construction = "construction"


# What counts as one problem: the key, and the text without the arguments that it shows.
Fault = tuple[str, str]


@dataclass(frozen=True)
class Problem:
    """One mistake of a user's.

    Attributes:
        key: The dotted key that it is about, or what stands for one on a command line (`--config-dir`); "" for none.
        text: What was found, what is allowed, what to do.
        kind: What sort of mistake it is.
        reason: What tells it from others, where the text shows more than that: of what a constructor raised, all but
            the arguments; "" where it is the text.
        file: The file or folder that it is about as a whole, or that the key is in, where the text is to begin with it.
        source: Where the key is written, `FILE, line N` or `command line`; "" while that is not known.
    """

    key: str
    text: str
    kind: Kind = Kind.config
    reason: str = ""
    file: str = ""
    source: str = ""

    def __str__(self) -> str:
        whole = ": ".join(part for part in (self.file, self.key, self.text) if part)
        return f"{whole} ({self.source})" if self.source else whole

    @property
    def fault(self) -> Fault:
        """What two problems have in common that count as one: they differ at most in the arguments that they show.

        The same constructor raises for the same reason at both ends of a branch, whatever its other arguments are
        there.
        """
        return self.key, self.reason or self.text


class ConfigError(SesemiSearchError, ValueError):
    """Mistakes in a config, a space or a command line: nothing was started, and the text says what to do.

    Args:
        key: Of one mistake, the `Problem.key`.
        text: Of one mistake, the `Problem.text`.
        file: Of one mistake, the `Problem.file`.

    Attributes:
        problems: The mistakes.
    """

    def __init__(self, key: str, text: str, *, file: str | Path = "") -> None:
        super().__init__(key, text)
        self.problems = [Problem(key, text, file=str(file))]

    @classmethod
    def of(cls, *problems: Problem) -> "ConfigError":
        """Returns the error that tells of some problems, at least one."""
        error = cls(problems[0].key, problems[0].text)
        error.problems = list(problems)
        return error

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        return f"{len(self.problems)} problems:\n" + "\n".join(f"- {problem}" for problem in self.problems)


class ArgumentError(SesemiSearchError, ValueError):
    """A constructor of ours refuses an argument; of several that do not go together, the first.

    Args:
        argument: Its name, which becomes part of the key that the message begins with.
        text: The argument as it was given, and what it takes.
    """

    def __init__(self, argument: str, text: str) -> None:
        super().__init__(argument, text)
        self.argument = argument
        self._text = text

    def __str__(self) -> str:
        return self._text


class UserCodeExit(RuntimeError):
    """A user's code raised what is no `Exception`, such as `sys.exit()`; its text is `describe_exception` of that."""


@contextmanager
def user_code() -> Iterator[None]:
    """Keeps a user's code from ending the program: what it raises, inside a `with` block, is an `Exception`.

    A library in Rust that panics raises a BaseException too. Ctrl-C passes, and so does what the handler of a signal
    raises: Ray's ends a worker with SystemExit.

    Raises:
        UserCodeExit: It raised another BaseException.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        if _is_of_signal(error):
            raise
        raise UserCodeExit(describe_exception(error)) from error


def describe_exception(error: BaseException) -> str:
    """Returns the type of an exception and the first line of its text."""
    text = next(iter(exception_text(error).splitlines()), "")
    if isinstance(error, UserCodeExit):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def exception_text(error: BaseException) -> str:
    """Returns the text of an exception, or that there is none where its `__str__` raises."""
    try:
        with user_code():
            return str(error)
    except Exception:
        return "(no text: its __str__ raises)"


def _is_of_signal(error: BaseException) -> bool:
    """Whether an exception was raised by the handler of a signal, which Python calls in the midst of anything."""
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    codes = {getattr(handler, "__code__", None) for handler in handlers}
    return any(frame.f_code in codes for frame, _ in traceback.walk_tb(error.__traceback__))


def raise_problems(problems: Iterable[Problem], cause: BaseException | None = None) -> None:
    """Raises one `ConfigError` that tells of every problem, each once, or returns when there is none."""
    unique = list(dict.fromkeys(problems))
    if unique:
        raise ConfigError.of(*unique) from cause


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
