"""Optuna in the two forms that its documentation shows for trials that report as they train.

Ask, report, should_prune and tell on a study in memory, after every epoch, as in "Efficient Optimization Algorithms" of
its tutorial. "Optuna TPE+Median" is the default of `create_study`: `TPESampler()` and `MedianPruner()`. "Optuna
TPE+Hyperband" has the pruner that the same page recommends for TPE, with the arguments of `HyperbandPruner`'s example.
A trial that diverged is told as failed, which is what Optuna makes of a NaN that is returned.
"""

import optuna

from benchmarks.search_quality.peers.spaces import flatten_space, suggest_values
from benchmarks.search_quality.simulate import Searcher, Table

__all__ = ["make"]


class _OptunaSearcher:
    def __init__(self, table: Table, pruner: optuna.pruners.BasePruner, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._dimensions = flatten_space(table.space)
        self._num_epochs = table.num_epochs
        # HyperbandPruner draws a trial's bracket from the study's name, which is random unless it is given.
        self._study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=pruner,
            study_name=f"study-{seed}",
        )
        self._trials: dict[int, optuna.Trial] = {}

    def ask(self) -> tuple[int, dict[str, object]]:
        """Starts a trial."""
        trial = self._study.ask()
        self._trials[trial.number] = trial
        return trial.number, suggest_values(self._dimensions, trial)

    def report(self, key: int, epoch: int, value: float) -> bool:
        """Reports an epoch and ends the trial where it is pruned, has failed or is complete."""
        trial = self._trials[key]
        if value != value:
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return False
        trial.report(value, epoch)
        if trial.should_prune():
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return False
        if epoch == self._num_epochs:
            self._study.tell(trial, value)
            return False
        return True


def make(name: str, table: Table, seed: int) -> Searcher:
    """Returns a searcher by its name; Optuna is not told how many slots there are."""
    pruner: optuna.pruners.BasePruner = {
        "Optuna TPE+Median": optuna.pruners.MedianPruner,
        "Optuna TPE+Hyperband": lambda: optuna.pruners.HyperbandPruner(
            min_resource=1, max_resource=table.num_epochs, reduction_factor=3
        ),
    }[name]()
    return _OptunaSearcher(table, pruner, seed)
