"""The branches that a search leaves out, because the check found that they cannot work."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sesemi_search.errors import ConfigError, Problem

__all__ = ["Excluded", "find_excluded", "holds"]

Choices = Mapping[str, Any]


@dataclass(frozen=True)
class Excluded:
    """Choices, each with a reason, with which a trial is not to be built.

    Attributes:
        reasons: What a trial must have chosen to be left out, by full names, and why.
    """

    reasons: Sequence[tuple[Choices, Problem]] = ()

    def refuse(self, params: Mapping[str, Any]) -> None:
        """Passes parameters that are not left out.

        Raises:
            ConfigError: They are; the text says why.
        """
        for choices, reason in self.reasons:
            if holds(choices, params):
                raise ConfigError("", f"left out by search.skip_bad_branches: {reason}")


def find_excluded(good: Sequence[Choices], bad: Sequence[tuple[Choices, Problem]]) -> Excluded:
    """Returns what leaves out every bad branch and no good one, in as few and as wide rules as a greedy search finds.

    An option that no good branch has is left out as a whole, with the combinations that were not visited; of other bad
    branches just that combination.

    Args:
        good: The choices of each branch that works.
        bad: The choices of each that does not, with the reason.
    """
    kept = {pair for choices in good for pair in choices.items()}
    rest = list(bad)
    reasons: list[tuple[Choices, Problem]] = []
    # The option with the most bad branches first: it may be what is wrong with those of the others.
    while options := Counter(_bad_options(rest, kept)).most_common(1):
        (name, value), _ = options[0]
        reasons.append(({name: value}, next(reason for choices, reason in rest if holds({name: value}, choices))))
        rest = [each for each in rest if not holds({name: value}, each[0])]
    return Excluded([*reasons, *rest])


def _bad_options(bad: Iterable[tuple[Choices, Problem]], kept: set[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yields each option that is only in bad branches, once for each of them."""
    yield from (pair for choices, _ in bad for pair in choices.items() if pair not in kept)


def holds(choices: Choices, params: Mapping[str, Any]) -> bool:
    """Whether parameters have chosen what `choices` says."""
    return all(name in params and params[name] == value for name, value in choices.items())
