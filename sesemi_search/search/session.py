"""One sitting of a search: which trial comes next, what an epoch's report means for it, how each one ends.

The rules are here, free of Ray: its adapters translate their callbacks into calls of `Session`, which runs on one
thread and is the only caller of the ledger's writing methods.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path

from sesemi_search.atomic import write_text
from sesemi_search.config.experiment import Complete, Sampled, Written, to_yaml
from sesemi_search.config.interpolations import keep_interpolations
from sesemi_search.config.schema import ConstraintsConfig
from sesemi_search.errors import ConfigError
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.constraints import check_limits
from sesemi_search.preflight.excluded_branches import Excluded
from sesemi_search.search.checkpoints import Checkpoints
from sesemi_search.search.directory import error_file, trial_dir
from sesemi_search.search.fingerprint import digest_experiment
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.records import LossKind, Outcome, TrialRecord, TrialReport, WorkerLoss
from sesemi_search.search.phase import Phase
from sesemi_search.search.stopping import Budget, Stop, StopKind, error_line, find_common_error
from sesemi_search.search.tracked_run import make_run_id, run_start, run_summary
from sesemi_search.search.watchdog import Watchdog
from sesemi_search.space.space import Space
from sesemi_search.tracking.tracker import Tracker

__all__ = ["Next", "Session"]

logger = logging.getLogger(__name__)

# Draws in a row that bring nothing to train before a search gives up.
_MAX_USELESS = 100


class Next(Enum):
    """Why there is no next trial: all slots are busy, or the search is over."""

    wait = "wait"
    over = "over"


class Session:
    """The state of a running search that the ledger does not hold: the slots, and the wish to stop.

    Args:
        ledger: Where trials are recorded.
        space: The space that is searched.
        experiment: The experiment as it is written.
        resolve: Resolves a trial's config and fills in all that it leaves open.
        directory: The search directory.
        tracker: Shown every event.
        architectures: Counts parameters and operations of a trial's model.
        limits: What a model may cost at most.
        num_trials: Trials to ask for, earlier sittings included.
        max_concurrent: Slots.
        max_attempts: Workers that a trial may lose before it is given up.
        keep_checkpoints: Complete trials whose checkpoints stay, the best ones.
        budget: Wall time and compute that may be spent.
        watchdog: Finds the trials that hang.
        excluded: Branches whose trials are infeasible without being built.
        phase: The phase of a final run that this is, which says what each trial tries; None where a sampler does.

    Attributes:
        stop: Why no new trial begins and running ones end with their epoch; None while the search goes on.
    """

    def __init__(
        self,
        ledger: Ledger,
        space: Space,
        experiment: Written,
        resolve: Callable[[Sampled], Complete],
        directory: Path,
        tracker: Tracker,
        architectures: Architectures,
        *,
        limits: ConstraintsConfig,
        num_trials: int,
        max_concurrent: int,
        max_attempts: int,
        keep_checkpoints: int,
        budget: Budget,
        watchdog: Watchdog,
        excluded: Excluded,
        phase: Phase | None = None,
    ) -> None:
        self._ledger = ledger
        self._space = space
        self._experiment = experiment
        self._resolve = resolve
        self._directory = directory
        self._tracker = tracker
        self._architectures = architectures
        self._limits = limits
        self._num_trials = num_trials
        self._max_concurrent = max_concurrent
        self._max_attempts = max_attempts
        self._queue = deque(ledger.unfinished())
        self._num_epochs: dict[int, int] = {}
        self._trained: dict[str, int] = {}  # numbers of the trials that have a config, by its digest
        records = ledger.records()
        self._checkpoints = Checkpoints(ledger.objectives, keep_checkpoints, records)
        self._has_complete = any(each.outcome is Outcome.complete for each in records)
        for each in records:
            if each.digest and each.is_counted and each.outcome is not Outcome.lost:
                self._trained[each.digest] = each.number
            if each.is_ended and each.number not in self._checkpoints.kept:
                self._drop_checkpoint(each.number)  # a driver that died had no time to
        self._budget = budget
        self._watchdog = watchdog
        self._excluded = excluded
        self._phase = phase
        self.stop: Stop | None = None

    @property
    def running(self) -> list[int]:
        """Numbers of the trials in the slots."""
        return list(self._num_epochs)

    def next_trial(self) -> int | Next:
        """Begins a trial: one that a crash or a stop left unfinished, else a new one."""
        self._check_budget()
        if self.stop is not None and not self._num_epochs:
            return Next.over
        if self.stop is not None or len(self._num_epochs) >= self._max_concurrent:
            return Next.wait
        while (record := self._take()) is not None:
            if self._start(record):
                return record.number
            if self.stop is not None:
                break
        # A running trial may yet lose its worker and come back, so the search is over only when none runs.
        return Next.wait if self._num_epochs else Next.over

    def epoch_ended(self, report: TrialReport) -> bool:
        """Records an epoch of a trial that has more to come; returns whether the trial goes on."""
        number = report.number
        if number not in self._num_epochs:
            return False
        self._watchdog.reported(number)
        self._record(report)
        if self._ledger.should_prune(number, report.epoch) and not self._is_last_hope(number):
            self._end(number, Outcome.stopped)
            return False
        self._check_budget()
        if self.stop is not None:
            self._end(number, Outcome.interrupted)
            return False
        return True

    def _is_last_hope(self, number: int) -> bool:
        """Whether the search would end without a trial that ran in full if this one were stopped."""
        is_alone = not self._queue and list(self._num_epochs) == [number]
        return is_alone and not self._has_complete and not self._has_more

    @property
    def _has_more(self) -> bool:
        """Whether trials are left to ask for."""
        return self._ledger.num_counted < self._num_trials and not self._ledger.is_exhausted

    def trial_ended(self, report: TrialReport) -> None:
        """Records the last report of a trial; one that was ended before is passed over."""
        if report.number not in self._num_epochs or report.outcome is None:
            return
        self._record(report)
        if report.outcome is Outcome.interrupted:
            self.request_stop(Stop(StopKind.storage, f"trial {report.number}: {report.message}"))
        outcome, message = report.outcome, report.message
        if outcome is Outcome.complete and (without := self._without_number(report.number)):
            outcome, message = Outcome.error, f"{', '.join(without)}: no finite number after the last epoch"
        self._end(report.number, outcome, message)
        # The first trials of confirm may all be of one candidate, which is out then.
        if outcome is Outcome.error and (self._phase is None or self._num_trials == 1):
            records = map(self._ledger.record, self._ledger.numbers)  # of which it looks at the first few
            self.request_stop(find_common_error(records, self._num_trials))

    def worker_lost(self, number: int, loss: WorkerLoss) -> None:
        """A worker is gone: its trial goes on from its checkpoint, unless it has had its attempts."""
        if number not in self._num_epochs:
            return
        if loss.kind is LossKind.out_of_memory:
            self._end(number, Outcome.out_of_memory, loss.text)
            return
        # Workers lost, not starts: an orderly stop and its resume cost no attempt, nor does a GPU that was lost before.
        num_lost = self._ledger.record(number).num_lost + (loss.kind is not LossKind.gpu_lost)
        logger.debug(f"trial {number}: worker lost ({num_lost} of {self._max_attempts}): {error_line(loss.text)}")
        self._ledger.describe(number, num_lost=num_lost)
        if num_lost >= self._max_attempts:
            self._end(number, Outcome.lost, loss.text)
            return
        self._end(number, Outcome.interrupted)
        self._queue.append(number)

    def end_hung(self, numbers: Iterable[int]) -> list[int]:
        """Ends the trials that are not to be waited for any longer, and returns their numbers: their workers hang.

        Args:
            numbers: The trials that have a worker.
        """
        self._check_budget()
        self._watchdog.look([n for n in numbers if n in self._num_epochs], is_stopping=self.stop is not None)
        timed_out = self._watchdog.timed_out()
        for number in timed_out:
            epoch = self._ledger.record(number).epochs + 1
            after = f"after {self._watchdog.epoch_timeout_s:g} s"
            text = f"search.epoch_timeout: epoch {epoch} had not ended {after}, and its worker was ended"
            self._end(number, Outcome.timed_out, text)
        unresponsive = self._watchdog.unresponsive()
        for number in unresponsive:
            logger.info(f"trial {number} does not end its epoch; it is left as it was after the last one")
            self._end(number, Outcome.interrupted)
        return timed_out + unresponsive

    def save(self) -> None:
        """Waits for the disk to have all that was recorded; to be called when all that waits for an answer has one."""
        self._ledger.wait_for_disk()

    def request_stop(self, stop: Stop | None) -> None:
        """Lets the running trials end their epoch and begins no more; the first reason stays, None is none."""
        if stop is not None and self.stop is None:
            logger.debug(f"the search stops: {stop.text}")
        self.stop = self.stop or stop

    def interrupt(self) -> None:
        """Leaves every running trial to be resumed, as it stands."""
        for number in self.running:
            self._end(number, Outcome.interrupted)

    def _take(self) -> TrialRecord | None:
        """Adopts an unfinished trial, else asks for one; None when there is none to begin now."""
        if self._queue:
            return self._ledger.adopt(self._queue.popleft())
        if not self._has_more:
            return None
        if self._phase is None:
            return self._ledger.ask()
        given = self._phase.propose(self._ledger.records())
        return None if given is None else self._ledger.ask(given)

    def _start(self, record: TrialRecord) -> bool:
        """Writes a trial's config for its worker and announces it; False of one with nothing to train.

        Pre-flight builds the ends of every range. What lies between may still fail, a width that its heads do not
        divide, say: such a trial is told to the sampler, never sent to a worker and not counted. Neither is one with
        the config of an earlier trial, whose numbers it would give again.
        """
        number = record.number
        try:
            self._excluded.refuse(record.params)
            sampled = self._space.apply(self._experiment, record.params)
            config = self._resolve(sampled)
            measured = self._architectures.measure(config)
            check_limits(measured, self._limits)
        except ConfigError as error:
            return self._pass_over(number, Outcome.infeasible, str(error))
        digest = digest_experiment(config)
        first = self._trained.setdefault(digest, number)
        if first != number:
            self._ledger.describe(number, duplicate_of=first)
            return self._pass_over(number, Outcome.duplicate, f"has the config of trial {first}")
        folder = trial_dir(self._directory, number)
        folder.mkdir(parents=True, exist_ok=True)
        stored = keep_interpolations(sampled, config)
        stored["run"]["test"] = False  # trying a trial is no reason to open the test split
        # After a power cut it is written again: the trial is not over yet.
        text = to_yaml(stored, f"Trial {number:04d} of {self._ledger.name}.")
        write_text(folder / "config.yaml", text, wait_for_disk=False)
        self._num_epochs[number] = config["run"]["num_epochs"]
        name, objectives = self._ledger.name, self._ledger.objectives
        facts = {"run_id": make_run_id(name, number), "digest": digest}
        self._ledger.describe(number, **facts, num_params=measured.num_params, flops=measured.flops)
        record = self._ledger.record(number)
        run = run_start(self._directory, name, record, self._space, objectives, config, text)
        self._tracker.start(self._phase.label(run) if self._phase else run)
        logger.debug(f"trial {number} begins, attempt {record.attempts}, after epoch {record.epochs}: {run.params}")
        return True

    def _pass_over(self, number: int, outcome: Outcome, reason: str) -> bool:
        """Ends a trial that is not trained; gives up when none of the last draws was."""
        self._ledger.tell(number, outcome, reason)
        logger.debug(f"trial {number}: {outcome.value}: {reason}")
        if self._ledger.num_useless >= _MAX_USELESS:
            text = f"of the last {_MAX_USELESS} draws none could be trained; trial {number}: {reason}"
            self.request_stop(Stop(StopKind.error, text))
        return False

    def _record(self, report: TrialReport) -> None:
        """Puts an epoch into the ledger and before the trackers."""
        if not report.metrics:
            return
        value = (
            report.metrics[self._ledger.objectives.first.name] if report.outcome is not Outcome.diverged else math.nan
        )
        self._ledger.describe(report.number, node=report.node)
        if self._ledger.report(report.number, report.epoch, value, report.metrics):
            self._budget.trained(report.metrics["epoch_seconds"])
            self._tracker.log(report.number, report.epoch, report.metrics)

    def _without_number(self, number: int) -> list[str]:
        """Returns the objectives that a trial has no finite number of: a metric may divide by zero."""
        objectives = self._ledger.objectives
        values = objectives.values(self._ledger.record(number))
        return [each.name for each, v in zip(objectives.each, values, strict=True) if not math.isfinite(v)]

    def _check_budget(self) -> None:
        self.request_stop(self._budget.exceeded())

    def _end(self, number: int, outcome: Outcome, message: str = "") -> None:
        if outcome.is_failure:
            write_text(error_file(self._directory, number), message)
        self._ledger.tell(number, outcome, message)
        self._ledger.note_wall(self._budget.wall_s)
        del self._num_epochs[number]
        self._watchdog.forget(number)
        record = self._ledger.record(number)
        said = f": {error_line(message)}" if message else ""
        on = f" on {record.node}" if record.node else ""
        logger.debug(f"trial {number}: {outcome.value} after epoch {record.epochs}, {record.value}{on}{said}")
        self._tracker.end(number, outcome.value, run_summary(record, outcome.value, self._ledger.objectives))
        self._has_complete = self._has_complete or outcome is Outcome.complete
        if outcome is Outcome.lost:  # its config may be tried again
            self._trained = {digest: n for digest, n in self._trained.items() if n != number}
        if outcome is not Outcome.interrupted:
            for each in [number] if outcome is not Outcome.complete else self._checkpoints.add(record):
                self._drop_checkpoint(each)

    def _drop_checkpoint(self, number: int) -> None:
        trial_dir(self._directory, number).joinpath("checkpoint.pt").unlink(missing_ok=True)
