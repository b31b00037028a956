"""A pruner's verdicts, from a study in memory that follows the ledger's first objective.

Optuna refuses reports and verdicts in a study of several objectives; and a pruner that notes in the study that it has
judged says "go on" when it is asked again, so that a verdict is lost with the driver that heard it. The study here has
one objective and is thrown away: after a crash it is made anew from the ledger's reports, each judged as it was, unless
the pruner notes nothing. The verdict on the last report of an unfinished trial is kept until it is asked for.
"""

from collections.abc import Sequence
from typing import NamedTuple

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from sesemi_search.search.ledger.conversion import is_copy, reports
from sesemi_search.search.ledger.records import Bar
from sesemi_search.search.ledger.user_parts import named_part
from sesemi_search.search.pruners import ArchitectureHalvingPruner

__all__ = ["PruningStudy", "Verdict"]

# They note nothing of a trial that they have judged: there is no need to judge it again.
_STATELESS = (ArchitectureHalvingPruner, optuna.pruners.NopPruner, optuna.pruners.PercentilePruner)


class Verdict(NamedTuple):
    """Whether a trial is to stop, and what it had to reach, where the pruner says so."""

    stops: bool
    bar: Bar | None


class PruningStudy:
    """Follows the trials of one ledger.

    Args:
        name: Name of the ledger's study; Hyperband makes its brackets from it.
        maximize: Whether more of the first objective is better.
        pruner: Who judges.
        trials: The ledger's trials so far, by number.
    """

    def __init__(
        self, name: str, maximize: bool, pruner: optuna.pruners.BasePruner, trials: Sequence[FrozenTrial] = ()
    ) -> None:
        self._study = optuna.create_study(
            study_name=name,
            direction="maximize" if maximize else "minimize",
            pruner=pruner,
            sampler=optuna.samplers.RandomSampler(),
        )
        self._trials: list[Trial] = []
        for trial in trials:
            self._replay(trial)
        self._unheard = self._judge_last([t.number for t in trials if not t.state.is_finished() and not is_copy(t)])

    def begin(self) -> None:
        """The next trial begins: it gets the next number."""
        self._trials.append(self._study.ask())

    def set_params(self, trial: FrozenTrial) -> None:
        """A trial has all its parameters: a pruner may judge it among its like."""
        trial_id = self._trials[trial.number]._trial_id
        for name, value in trial.params.items():
            distribution = trial.distributions[name]
            self._study._storage.set_trial_param(trial_id, name, distribution.to_internal_repr(value), distribution)
        self._trials[trial.number] = Trial(self._study, trial_id)  # the one before remembers that it had none

    def report(self, number: int, epoch: int, value: float) -> None:
        """A trial has finished an epoch."""
        self._trials[number].report(value, epoch)

    def judge(self, number: int) -> Verdict:
        """Returns whether a trial is to stop after its last report. It is asked once about each."""
        unheard = self._unheard.pop(number, None)
        return unheard if unheard is not None and unheard.stops else self._judge(number)

    def end(self, number: int, state: TrialState) -> None:
        """A trial has ended."""
        trial = self._trials[number]
        values = self._frozen(number).intermediate_values
        if state is TrialState.COMPLETE and values:
            self._study._storage.set_trial_state_values(trial._trial_id, state, [values[max(values)]])
        else:  # without a report there is nothing to judge others by
            state = TrialState.FAIL if state is TrialState.COMPLETE else state
            self._study._storage.set_trial_state_values(trial._trial_id, state)

    def _judge_last(self, numbers: Sequence[int]) -> dict[int, Verdict]:
        """Judges the last reports of unfinished trials, each as if it came after those of all the others."""
        # What the pruner has noted of a trial: the rungs it has reached.
        notes = {number: dict(self._frozen(number).system_attrs) for number in numbers}
        for number in numbers:
            self._judge(number)
        verdicts = {}
        for number in numbers:
            self._frozen(number).system_attrs = notes[number]
            verdicts[number] = self._judge(number)
        return verdicts

    def _judge(self, number: int) -> Verdict:
        pruner, bar = self._study.pruner, None
        with named_part("search.pruner", pruner):
            stops = self._trials[number].should_prune()
            if stops and isinstance(pruner, ArchitectureHalvingPruner):
                bar = pruner.bar(self._study, self._frozen(number))
        return Verdict(stops, bar)

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study._storage.get_trial(self._trials[number]._trial_id)

    def _replay(self, trial: FrozenTrial) -> None:
        """Tells of a trial that the ledger has already."""
        self.begin()
        self.set_params(trial)
        # A copied trial stood on no rung: it ran under other settings, and not beside the trials of this search.
        stands_aside = is_copy(trial) and isinstance(self._study.pruner, ArchitectureHalvingPruner)
        values = {} if stands_aside else reports(trial)
        ended = trial.state.is_finished()
        for epoch in sorted(values):
            self.report(trial.number, epoch, values[epoch])
            was_judged = epoch < max(values) or (ended and trial.state is not TrialState.COMPLETE)
            if was_judged and not is_copy(trial) and not isinstance(self._study.pruner, _STATELESS):
                self._judge(trial.number)
        if ended:
            self.end(trial.number, trial.state)
