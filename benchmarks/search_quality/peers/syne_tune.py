"""Syne Tune's asynchronous baselines, driven through their scheduler in the order of its Tuner.

ASHA, BOHB and MOBSTER of `syne_tune.optimizer.baselines`, with `max_t` the epochs of a full training and all else at
its default: type "stopping", `grace_period=1`, `reduction_factor=3`, one bracket, the first config in the middle of the
space; for MOBSTER a multi-task Gaussian process on the results at the rungs. Version 0.13 is the last that has MOBSTER.
The space has no conditions, so the dimensions of options that were not drawn are sampled and ignored. A trial that
diverged is one that failed.
"""

import datetime
import logging
from typing import Any

from syne_tune.backend.trial_status import Trial
from syne_tune.optimizer.baselines import ASHA, BOHB, MOBSTER
from syne_tune.optimizer.scheduler import SchedulerDecision

from benchmarks.search_quality.peers.spaces import active_values, flatten_space, to_syne_tune
from benchmarks.search_quality.simulate import Searcher, Table

__all__ = ["make"]

_METRIC, _RESOURCE = "value", "epoch"


class _SyneTuneSearcher:
    def __init__(self, table: Table, baseline: Any, seed: int) -> None:
        logging.getLogger("syne_tune").setLevel(logging.ERROR)
        self._num_epochs = table.num_epochs
        self._dimensions = flatten_space(table.space)
        self._scheduler = baseline(
            to_syne_tune(self._dimensions),
            metric=_METRIC,
            mode="max",
            resource_attr=_RESOURCE,
            max_t=table.num_epochs,
            random_seed=seed,
        )
        self._trials: list[Trial] = []

    def ask(self) -> tuple[int, dict[str, Any]] | None:
        """Starts a trial."""
        key = len(self._trials)
        suggestion = self._scheduler.suggest(trial_id=key)
        if suggestion is None:
            return None
        trial = Trial(key, suggestion.config, datetime.datetime.now())
        self._trials.append(trial)
        self._scheduler.on_trial_add(trial)
        return key, active_values(self._dimensions, suggestion.config)

    def report(self, key: int, epoch: int, value: float) -> bool:
        """Hands a result to the scheduler and does as it decides."""
        trial = self._trials[key]
        if value != value:
            self._scheduler.on_trial_error(trial)
            return False
        result = {_METRIC: value, _RESOURCE: epoch}
        if self._scheduler.on_trial_result(trial, result) != SchedulerDecision.CONTINUE:
            self._scheduler.on_trial_remove(trial)
            return False
        if epoch == self._num_epochs:
            self._scheduler.on_trial_complete(trial, result)
            return False
        return True


def make(name: str, table: Table, seed: int) -> Searcher:
    """Returns a searcher by its name; Syne Tune's schedulers are not told how many slots there are."""
    baselines = {"Syne Tune ASHA": ASHA, "Syne Tune BOHB": BOHB, "Syne Tune MOBSTER": MOBSTER}
    return _SyneTuneSearcher(table, baselines[name], seed)
