"""Ray Tune's OptunaSearch with its ASHAScheduler, driven through their callbacks in Tune's order, without Ray running.

Both as documented: `OptunaSearch(space, metric, mode)` with its default sampler, `ASHAScheduler` with `max_t` the
epochs of a full training and all else at its default (`grace_period=1`, `reduction_factor=4`, one bracket). The order
is that of `TuneController`: the scheduler's `on_trial_result` first; where it stops the trial, which it does at `max_t`
as well, the searcher's is skipped and both get `on_trial_complete` with that result. A trial that diverged ends as one
whose training raised: `on_trial_error` for the scheduler, `on_trial_complete(error=True)` for the searcher.
"""

from typing import Any, NamedTuple

import optuna
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.search_quality.peers.spaces import flatten_space, suggest_values
from benchmarks.search_quality.simulate import Searcher, Table

__all__ = ["make"]

_METRIC = "value"


class _Trial(NamedTuple):
    """What the scheduler reads of a trial of Tune."""

    trial_id: str


class _RaySearcher:
    def __init__(self, table: Table, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        dimensions = flatten_space(table.space)

        def space(trial: Any) -> None:
            suggest_values(dimensions, trial)

        self._searcher = OptunaSearch(space, metric=_METRIC, mode="max", seed=seed)
        self._scheduler = ASHAScheduler(
            time_attr="training_iteration", metric=_METRIC, mode="max", max_t=table.num_epochs
        )
        self._num_trials = 0

    def ask(self) -> tuple[int, dict[str, Any]] | None:
        """Starts a trial."""
        key = self._num_trials
        params = self._searcher.suggest(str(key))
        if params is None:
            return None
        self._num_trials += 1
        self._scheduler.on_trial_add(None, _Trial(str(key)))
        return key, params

    def report(self, key: int, epoch: int, value: float) -> bool:
        """Hands a result to the scheduler, then to the searcher."""
        trial = _Trial(str(key))
        if value != value:
            self._scheduler.on_trial_error(None, trial)
            self._searcher.on_trial_complete(trial.trial_id, error=True)
            return False
        result = {"training_iteration": epoch, _METRIC: value}
        if self._scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
            self._scheduler.on_trial_complete(None, trial, result)
            self._searcher.on_trial_complete(trial.trial_id, result)
            return False
        self._searcher.on_trial_result(trial.trial_id, result)
        return True


def make(name: str, table: Table, seed: int) -> Searcher:
    """Returns the searcher; neither part is told how many slots there are."""
    assert name == "Ray OptunaSearch+ASHA"
    return _RaySearcher(table, seed)
