"""How many trials a ledger has and what came of them, without a look at each of them for every ask.

It is derived from the study when its ledger opens, told of trials where they begin and end, and thrown away with the
ledger: the study stays the only record.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from sesemi_search.search.ledger.conversion import is_copy, to_outcome
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.space.domains import Choice, Float, Int, Options
from sesemi_search.space.size import count_configs
from sesemi_search.space.space import Space

__all__ = ["TrialCounts"]


class TrialCounts:
    """Counts the trials of one ledger.

    Args:
        space: The space that is searched.
        trials: The ledger's trials so far, by number; those copied from other searches come first.
    """

    def __init__(self, space: Space, trials: Sequence[FrozenTrial]) -> None:
        self._space = space
        self._num_configs = count_configs(space)
        self._num_trials = len(trials)
        self._num_copied = sum(map(is_copy, trials))
        self._passed_over: dict[int, Outcome] = {}  # by number
        self._tried: set[frozenset[tuple[str, Any]]] = set()
        # Those that are not among the tried yet: a ledger may be opened with a space that is found not to be its own.
        self._sampled: list[Mapping[str, Any]] = []
        for trial in trials:
            # Without attempts its driver died while it asked: the trial is adopted, and has the rest of its point then.
            if is_copy(trial) or "attempts" in trial.user_attrs:
                self.sampled(trial.params)
            if not is_copy(trial):
                self.end(trial.number, to_outcome(trial))

    @property
    def numbers(self) -> range:
        """Numbers of the search's own trials."""
        return range(self._num_copied, self._num_trials)

    @property
    def num_counted(self) -> int:
        """The search's own trials that were trained or will be."""
        return len(self.numbers) - len(self._passed_over)

    @property
    def num_useless(self) -> int:
        """How many of the last trials, in a row, brought nothing to train."""
        number = self._num_trials - 1
        while number in self._passed_over:
            number -= 1
        return self._num_trials - 1 - number

    @property
    def is_exhausted(self) -> bool:
        """Whether the space is finite and each of its configs was tried, copies included."""
        if self._num_configs is None or self._num_trials < self._num_configs:
            return False
        while self._sampled:
            self._tried.add(_grid_point(self._space, self._sampled.pop()))
        return len(self._tried) >= self._num_configs

    @property
    def is_finite(self) -> bool:
        """Whether the space holds so many configs and no more."""
        return self._num_configs is not None

    def are_duplicates(self, count: int) -> bool:
        """Whether each of the last trials, as many as `count`, had the config of an earlier one."""
        last = range(self._num_trials - count, self._num_trials)
        return all(self._passed_over.get(number) is Outcome.duplicate for number in last)

    def begin(self) -> None:
        """The next trial begins: it gets the next number."""
        self._num_trials += 1

    def sampled(self, params: Mapping[str, Any]) -> None:
        """A trial has all its parameters."""
        if self.is_finite:
            self._sampled.append(params)

    def end(self, number: int, outcome: Outcome) -> None:
        """A trial has ended."""
        if not outcome.is_counted:
            self._passed_over[number] = outcome


def _grid_point(space: Space, params: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """Returns what is equal for two trials exactly when they are one point of the grid."""
    domains = {dimension.name: dimension.domain for dimension in space.dimensions}
    return frozenset((name, _coordinate(domains[name], value)) for name, value in params.items())


def _coordinate(domain: Float | Int | Choice | Options, value: Any) -> Any:
    if isinstance(domain, Float) and domain.step is not None:
        return round((value - domain.low) / domain.step)
    return value if isinstance(domain, Int | Float) else repr(value)  # 1, 1.0 and True are one in a set
