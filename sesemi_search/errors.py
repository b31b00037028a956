"""What goes wrong, as types: the root of our errors, and the mistakes a user can mend.

The text of a `ConfigError` is all that its reader gets: the dotted key or the file, what was found, what is allowed and
what to do. Several mistakes are gathered and raised as one error.
"""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["ConfigError", "SesemiSearchError", "raise_problems", "suggest"]


class SesemiSearchError(Exception):
    """The root of every error that this package raises on purpose."""


class ConfigError(SesemiSearchError, ValueError):
    """A mistake in a config, a space or a command line: nothing was started, and the text says what to do.

    `problems` holds each mistake by itself, where the error tells of several.
    """

    def __init__(
        self, key: str, text: str | None = None, problems: Sequence[str] = (), *, file: str | Path = ""
    ) -> None:
        whole = ": ".join(str(part) for part in (file, key, text) if part)
        super().__init__(whole)
        self.problems = list(problems) or [whole]


def raise_problems(problems: Sequence[str], cause: BaseException | None = None) -> None:
    """Raises one `ConfigError` that lists every problem, or returns when there is none."""
    unique = list(dict.fromkeys(problems))
    if len(unique) == 1:
        raise ConfigError(unique[0]) from cause
    if unique:
        text = f"{len(unique)} problems:\n" + "\n".join(f"- {problem}" for problem in unique)
        raise ConfigError(text, problems=unique) from cause


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
