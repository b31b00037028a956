"""The ledger: an Optuna study, the only record of a search.

Trials are asked, reported, judged and told here and nowhere else. One process writes, under the directory's lock. A
trial that was running when its worker or its driver died is still in the study, and `adopt` goes on with it under its
number.

An interrupted trial is WAITING, Optuna's state for "to be run": after an orderly end none is RUNNING, and a resumed
search takes the same trial up again, which a finished state would forbid.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from sesemi_search.search.ledger.conversion import (
    BAR,
    STATES,
    WALL_SECONDS,
    bar_attribute,
    is_copy,
    report_attribute,
    reports,
    storable,
    to_copy,
    to_record,
)
from sesemi_search.search.ledger.counts import TrialCounts
from sesemi_search.search.ledger.journal import open_storage, repair_journal, wait_for_disk
from sesemi_search.search.ledger.objectives import Objectives
from sesemi_search.search.ledger.pruning import PruningStudy
from sesemi_search.search.ledger.records import Given, Origin, Outcome, TrialRecord
from sesemi_search.search.ledger.replay import Replay
from sesemi_search.search.ledger.user_parts import named_part
from sesemi_search.search.pruners import build_pruner
from sesemi_search.search.samplers.build import build_sampler, experimental_is_fine, one_blas_thread
from sesemi_search.space.space import Space

__all__ = ["Ledger"]

_MAX_REPEATS = 5  # asks in a row that bring known configs, before another sampler is asked
_GIVEN = "given"  # the study's attribute: what its first trials are to try


class Ledger:
    """The study of one search, and the trials of it that are running now.

    Attributes:
        objectives: What the search optimizes.
    """

    def __init__(
        self, study: optuna.Study, space: Space, objectives: Objectives, sampler: Mapping[str, Any], seed: int
    ) -> None:
        self.objectives = objectives
        self._study = study
        self._space = space
        self._sampler = sampler
        self._seed = seed
        self._live: dict[int, Trial] = {}
        # Hyperband makes its brackets when it is first asked, and shows a sampler all trials until then: a search that
        # goes on would ask what the undisturbed one does not.
        with named_part("search.pruner", study.pruner):
            study.pruner.prune(study, optuna.trial.create_trial(state=TrialState.RUNNING))
        self._given: list[dict[str, Any]] | None = study.user_attrs.get(_GIVEN)
        self._derive()

    @classmethod
    def create(
        cls,
        directory: Path,
        name: str,
        space: Space,
        *,
        sampler: Mapping[str, Any],
        pruner: Mapping[str, Any],
        seed: int,
        objectives: Objectives,
        storage: str | None = None,
    ) -> "Ledger":
        """Begins a search: a new study in `<directory>/study.journal`, or in the Optuna storage at the URL `storage`.

        Raises:
            optuna.exceptions.DuplicatedStudyError: `storage` has a study of that name.
        """
        study = optuna.create_study(
            storage=open_storage(directory, storage),
            study_name=name,
            directions=objectives.directions,
            pruner=build_pruner(pruner, space),
        )
        return cls(study, space, objectives, sampler, seed)

    @classmethod
    def open(
        cls,
        directory: Path,
        name: str | None,
        space: Space,
        *,
        sampler: Mapping[str, Any],
        pruner: Mapping[str, Any],
        seed: int,
        objectives: Objectives,
        storage: str | None = None,
    ) -> "Ledger":
        """Goes on with a search. Call it only under the directory's lock: it clears what a dead writer left behind."""
        if storage is None:
            repair_journal(directory)
        study = optuna.load_study(
            storage=open_storage(directory, storage), study_name=name, pruner=build_pruner(pruner, space)
        )
        return cls(study, space, objectives, sampler, seed)

    @property
    def name(self) -> str:
        """Name of the study, unique to the search."""
        return self._study.study_name

    def __len__(self) -> int:
        """Trials asked for so far, in whatever state; those copied from other searches are not among them."""
        return len(self.numbers)

    @property
    def numbers(self) -> range:
        """Numbers of the trials of this search; those copied from other searches have the ones before."""
        return self._counts.numbers

    @property
    def num_counted(self) -> int:
        """Trials asked for so far that were trained or will be: those that `search.num_trials` counts."""
        return self._counts.num_counted

    @property
    def num_useless(self) -> int:
        """How many of the last asks, in a row, brought nothing to train."""
        return self._counts.num_useless

    @property
    def is_exhausted(self) -> bool:
        """Whether the space is finite and each of its configs was asked for, here or in a search it began with."""
        return self._counts.is_exhausted

    @property
    def has_begun(self) -> bool:
        """Whether `begin` has ended, or a trial was asked for without it."""
        return self._given is not None or len(self) > 0

    def begin(self, copies: Sequence[TrialRecord], given: Sequence[Given]) -> None:
        """Fills a new study before its first trial; after a crash it goes on where it was.

        The copies come first and keep their numbers, so this search's own trials are numbered after them, and own trial
        k has the k-th of `given`, whenever it is asked for.

        Args:
            copies: Finished trials of other searches, with parameters of this search's space.
            given: What this search's first trials are to try.
        """
        assert not self.has_begun
        there = {record.identity for record in self.copied()}
        for record in copies:
            if record.identity not in there:
                self._study.add_trial(to_copy(record, self._space, self.objectives))
        attribute = [_as_attribute(each) for each in given]
        self._study.set_user_attr(_GIVEN, attribute)
        self._given = attribute
        self._derive()

    def ask(self, given: Given | None = None) -> TrialRecord:
        """Begins the next trial: with what is or was given for it, else with parameters from the sampler.

        A sampler that has repeated itself some times in a row is passed over for one that has no favourites.
        Adopt what is unfinished first: Optuna takes a waiting trial for one to begin.
        """
        own, number = len(self), self.numbers.stop
        sampler = self._unbiased() if self._counts.are_duplicates(_MAX_REPEATS) else self._sampler
        self._study.sampler = build_sampler(sampler, self._seed, number)
        for each in (self._given or [])[own : own + 1] if given is None else [_as_attribute(given)]:
            # A waiting trial that a crash leaves here is adopted like any other; its parameters are fixed in it.
            self._study.enqueue_trial(each["params"], user_attrs={"origin": each["origin"]})
        with self._sampling():
            trial = self._study.ask()
        assert trial.number == number, "adopt what waits first"
        self._counts.begin()
        self._pruning.begin()
        return self._begin(trial)

    def _unbiased(self) -> Mapping[str, Any]:
        """Returns the sampler of what was not tried yet, in a finite space; of anything, in another."""
        name = "BruteForceSampler" if self._counts.is_finite else "RandomSampler"
        return {"_target_": f"optuna.samplers.{name}"}

    def adopt(self, number: int) -> TrialRecord:
        """Goes on with a trial that was running or interrupted, under its own number, after all that it reported."""
        frozen = self._frozen(number)
        self._study.sampler = build_sampler(self._sampler, self._seed, number)
        if frozen.state is TrialState.WAITING:
            self._storage.set_trial_state_values(frozen._trial_id, TrialState.RUNNING)
        with self._sampling():
            trial = Trial(self._study, frozen._trial_id)
        return self._begin(trial)

    def _begin(self, trial: Trial) -> TrialRecord:
        was_asked = "attempts" in trial.user_attrs
        with self._sampling():
            self._space.sample(trial if was_asked else Replay(trial))
        trial.set_user_attr("attempts", trial.user_attrs.get("attempts", 0) + 1)
        self.wait_for_disk()  # it is recorded before it has a folder
        self._live[trial.number] = trial
        record = self.record(trial.number)
        self._counts.sampled(record.params)
        self._pruning.set_params(self._frozen(trial.number))
        return record

    @contextmanager
    def _sampling(self) -> Iterator[None]:
        """Lets the sampler work, which may be a user's."""
        with experimental_is_fine(), one_blas_thread(), named_part("search.sampler", self._study.sampler):
            yield

    def unfinished(self) -> list[int]:
        """Returns the numbers of the trials that are neither finished nor running in this process."""
        unfinished = (TrialState.RUNNING, TrialState.WAITING)
        trials = self._study.get_trials(deepcopy=False, states=unfinished)
        return [t.number for t in trials if t.number not in self._live]

    def describe(self, number: int, **attributes: str | int | float) -> None:
        """Notes facts of a running trial: num_params, flops, node, run_id."""
        trial, known = self._live[number], self._frozen(number).user_attrs
        for name, value in attributes.items():
            if known.get(name) != value:
                trial.set_user_attr(name, value)

    def report(self, number: int, epoch: int, value: float, metrics: Mapping[str, float]) -> bool:
        """Records an epoch; returns False when it was there already, as after a crash it may be."""
        trial = self._live[number]
        if epoch in reports(self._frozen(number)):
            return False
        # The metrics first: an epoch that has its report then has them too, whenever this process dies. Without its
        # report it does not count, and they are written again.
        trial.set_user_attr(f"epoch {epoch:04d}", {name: storable(v) for name, v in metrics.items()})
        if self.objectives.are_several:
            trial.set_user_attr(report_attribute(epoch), storable(value))
        else:
            trial.report(value, epoch)
        self._pruning.report(number, epoch, value)
        return True

    def should_prune(self, number: int, epoch: int) -> bool:
        """Asks the pruner about the last report, if that is the one of `epoch`, and notes what it had to reach.

        Never ask at the last epoch: there is nothing left to save. The baseline is asked for, so that others are held
        against it, and always goes on: what is to be beaten is its value after all its epochs.
        """
        frozen = self._frozen(number)
        if epoch != max(reports(frozen), default=0):
            return False
        verdict = self._pruning.judge(number)
        if not verdict.stops or frozen.user_attrs.get("origin") == Origin.baseline:
            return False
        if verdict.bar is not None and (stored := bar_attribute(verdict.bar)) != frozen.user_attrs.get(BAR):
            self._live[number].set_user_attr(BAR, stored)
        return True

    def tell(self, number: int, outcome: Outcome, message: str = "") -> None:
        """Ends a trial. `complete` takes the last report as its value."""
        trial = self._live.pop(number)
        if message:
            trial.set_user_attr("message", message)
        trial.set_user_attr("outcome", outcome.value)  # last: with it the trial has ended, whatever dies now
        if outcome is Outcome.interrupted:
            self._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
        else:
            self._finish(trial, outcome)

    def _finish(self, trial: Trial, outcome: Outcome) -> None:
        record = self.record(trial.number)
        values = list(self.objectives.values(record)) if outcome is Outcome.complete else None
        with warnings.catch_warnings(), named_part("search.sampler", self._study.sampler):
            # A diverged trial's last report is NaN, and Optuna warns that it takes no value from it: as it should.
            warnings.simplefilter("ignore", UserWarning)
            try:
                self._study.tell(trial, values, state=STATES[outcome])
            except RuntimeError:
                # A sampler that has tried everything stops its study, which Optuna allows inside `optimize` only.
                if not self._frozen(trial.number).state.is_finished():
                    raise
        self._counts.end(trial.number, outcome)
        self._pruning.end(trial.number, STATES[outcome])

    def settle(self) -> None:
        """Ends the trials whose outcome a driver had written when it died, before it could tell Optuna."""
        for frozen in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            outcome = frozen.user_attrs.get("outcome")
            if outcome in STATES:
                self._finish(Trial(self._study, frozen._trial_id), Outcome(outcome))

    def release(self) -> None:
        """Leaves every running trial to be resumed, those of a driver that died among them.

        Not one whose outcome was written before something went wrong: `settle` ends it.
        """
        for frozen in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if frozen.user_attrs.get("outcome") in STATES:
                continue
            self._storage.set_trial_state_values(frozen._trial_id, TrialState.WAITING)
        self._live.clear()

    def wait_for_disk(self) -> None:
        """Waits until all that was recorded is on the disk: then a power cut loses none of it, as a kill never does."""
        wait_for_disk(self._storage)

    @property
    def definition(self) -> dict[str, Any]:
        """What the search began with (see `sesemi_search.search.fingerprint`)."""
        return dict(self._study.user_attrs.get("definition", {}))

    def define(self, definition: Mapping[str, Any]) -> None:
        """Notes what the search began with."""
        self._study.set_user_attr("definition", dict(definition))

    @property
    def wall_s(self) -> float:
        """Wall seconds that the search has taken, all sittings together, up to the last trial that ended."""
        return float(self._study.user_attrs.get(WALL_SECONDS, 0.0))

    def note_wall(self, seconds: float) -> None:
        """Notes the wall seconds of all sittings so far."""
        self._study.set_user_attr(WALL_SECONDS, seconds)

    def record(self, number: int) -> TrialRecord:
        """Returns one trial."""
        return to_record(self._frozen(number))

    def records(self) -> list[TrialRecord]:
        """Returns every trial of this search, by number."""
        return [to_record(trial) for trial in self._study.get_trials(deepcopy=False) if not is_copy(trial)]

    def copied(self) -> list[TrialRecord]:
        """Returns the trials that were copied from other searches."""
        return [to_record(trial) for trial in self._study.get_trials(deepcopy=False) if is_copy(trial)]

    def best(self) -> TrialRecord | None:
        """Returns the best complete trial, None where there is none yet."""
        return self.objectives.best(self.records())

    def _derive(self) -> None:
        """Makes of the study what is not to be read in all its trials each time."""
        trials = self._study.get_trials(deepcopy=False)
        self._counts = TrialCounts(self._space, trials)
        self._pruning = PruningStudy(self.name, self.objectives.first.maximize, self._study.pruner, trials)

    def _frozen(self, number: int) -> FrozenTrial:
        # `Study.get_trials` takes a time that grows with the study.
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number)
        return self._storage.get_trial(trial_id)

    @property
    def _storage(self) -> BaseStorage:
        return self._study._storage


def _as_attribute(given: Given) -> dict[str, Any]:
    return {"params": dict(given.params), "origin": given.origin.value}
