"""Ray Tune's searcher and scheduler, translated into calls of the session.

They decide nothing; the session does. An exception in an adapter would come out of Ray as text inside another, so the
first one is kept, the search winds down, and `Adapters.failure` has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.actor import ActorHandle
from ray.exceptions import OutOfMemoryError
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from sesemi_search.search.ledger.records import LossKind, TrialReport, WorkerLoss
from sesemi_search.search.ray_tune.actor_manager import WorkerGone, find_actors
from sesemi_search.search.ray_tune.trainable import OBJECTIVE, GpuLost
from sesemi_search.search.session import Next, Session

__all__ = ["Adapters", "LedgerScheduler", "LedgerSearcher"]


@dataclass
class Adapters:
    """What the searcher and the scheduler share: the session, Ray's ids of its trials, and the first exception."""

    session: Session
    failure: Exception | None = None

    def __post_init__(self) -> None:
        """Begins without trials."""
        self.numbers: dict[str, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its adapters into files that nobody reads: give it nothing."""
        return {}

    def fail(self, error: Exception) -> None:
        """Keeps the first exception; from then on the session is left alone."""
        self.failure = self.failure or error


class LedgerSearcher(Searcher):
    """Gives Ray the number of the next trial."""

    def __init__(self, adapters: Adapters) -> None:
        super().__init__(metric=OBJECTIVE, mode="max")
        self._adapters = adapters

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # Searcher.FINISHED
        """Returns `{"number": n}`, None while all slots are busy, FINISHED at the end."""
        finished: str = Searcher.FINISHED
        if self._adapters.failure is not None:
            return finished
        try:
            number = self._adapters.session.next_trial()
        except Exception as error:
            self._adapters.fail(error)
            return finished
        if isinstance(number, Next):
            return finished if number is Next.over else None
        self._adapters.numbers[trial_id] = number
        return {"number": number}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing: the scheduler has told the session."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the ledger is the state."""


class LedgerScheduler(TrialScheduler):
    """Brings Ray's results to the session, and its verdicts back."""

    def __init__(self, adapters: Adapters) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._metric = OBJECTIVE
        self._adapters = adapters

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Nothing: the session began the trial."""

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Nothing: a trial that has not started stays unfinished in the ledger."""

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """An epoch that is not the trial's last."""
        if self._adapters.failure is None:
            try:
                if self._adapters.session.epoch_ended(result["report"]):
                    return str(TrialScheduler.CONTINUE)
            except Exception as error:
                self._adapters.fail(error)
        return str(TrialScheduler.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """A trial that ended: by itself, with a last report, or because it was told to stop."""
        report = result.get("report")
        if self._adapters.failure is None and isinstance(report, TrialReport):
            try:
                self._adapters.session.trial_ended(report)
            except Exception as error:
                self._adapters.fail(error)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """A worker or its node died; whatever a user's code raises arrives as a report instead."""
        if self._adapters.failure is not None:
            return
        try:
            self._adapters.session.worker_lost(self._adapters.numbers[trial.trial_id], _find_loss(trial))
        except Exception as error:
            self._adapters.fail(error)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The first that waits: the session never begins more than there are slots.

        Tune asks ten times a second, and after each event, when it has told the worker to go on.
        """
        if self._adapters.failure is None:
            try:
                self._adapters.session.save()
                self._end_hung_workers(find_actors(tune_controller))
            except Exception as error:
                self._adapters.fail(error)
        return next((trial for trial in tune_controller.get_live_trials() if trial.status == trial.PENDING), None)

    def _end_hung_workers(self, actors: Mapping[str, ActorHandle[Any]]) -> None:
        """Ends the workers whose trials the session has given up; Tune notices, and frees their slots."""
        by_number = {self._adapters.numbers[trial_id]: actor for trial_id, actor in actors.items()}
        for number in self._adapters.session.end_hung(by_number):
            ray.kill(by_number[number])

    def debug_string(self) -> str:
        """Nothing to say."""
        return ""


def _find_loss(trial: Any) -> WorkerLoss:
    """Translates the error that took a trial's worker, which Tune leaves in files of its own."""
    if not trial.pickled_error_file:
        return WorkerLoss(LossKind.died, "the worker died")
    try:
        error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    except Exception:  # an error of a user's module that does not come back from its pickle
        return WorkerLoss(LossKind.died, Path(trial.error_file).read_text())
    if isinstance(error, GpuLost):
        kind = LossKind.gpu_lost
    elif isinstance(error, WorkerGone) and isinstance(error.cause, OutOfMemoryError):
        kind = LossKind.out_of_memory
    else:
        kind = LossKind.died
    return WorkerLoss(kind, str(error))
