"""Where a dotted key was written last: the file and its line, or the command line.

It is asked only when there is something to complain about, and then reads the files once more. What they mean is none
of its business: a key that it does not find has no address, and the message stays as it was.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from hydra.core.override_parser.types import Override

from sesemi_search.config.layers import COMMAND_LINE, LaidNode, Source, lay
from sesemi_search.config.sesemi_keys import their_key
from sesemi_search.errors import ConfigError, Problem, raise_problems

__all__ = ["SourceLines"]


class SourceLines:
    """Answers where the keys of one composed config were written.

    Args:
        sources: Gives the files, a later one over those before it; called at the first question.
        overrides: The command line.
    """

    def __init__(self, sources: Callable[[], Iterable[Source]] = tuple, overrides: Sequence[Override] = ()) -> None:
        self._sources = sources
        self._overrides = overrides

    @contextmanager
    def added(self) -> Iterator[None]:
        """Adds addresses to the problems of a `ConfigError` that leaves the block."""
        try:
            yield
        except ConfigError as error:
            problems = [self.add(problem) for problem in error.problems]
            if problems == error.problems:
                raise
            raise_problems(problems, cause=error.__cause__ or error)

    def find(self, key: str) -> str | None:
        """Returns where a dotted key was written last, None where nobody knows.

        A key that is not there (an argument that is missing) is where the `_target_` is that it belongs to. Only a
        command line drops one, `~KEY`.
        """
        if key.startswith("~"):
            return COMMAND_LINE
        nodes = (self._root.follow(name.split(".")) for name in (key, their_key(key)))
        return next((node.address for node in nodes if node is not None and node.address), None)

    def add(self, problem: Problem) -> Problem:
        """Returns a problem with the address of its key, where it has a key that is known and no address yet."""
        where = self.find(problem.key) if problem.key and not problem.source else None
        return problem if where is None else replace(problem, source=where)

    @cached_property
    def _root(self) -> LaidNode:
        return lay(self._sources(), self._overrides)
