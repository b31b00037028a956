"""A search from its plan to its end: Ray, signals, best.yaml."""

import contextlib
import logging
import shlex
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import ray
from omegaconf import DictConfig, OmegaConf
from optuna.exceptions import StorageInternalError
from ray import tune

from sesemi_search.atomic import write_text
from sesemi_search.config.experiment import to_yaml
from sesemi_search.errors import SesemiSearchError
from sesemi_search.search.directory import claim_directory, lock_directory, trial_dir
from sesemi_search.search.ledger.journal import open_storage, repair_journal
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.records import TrialRecord
from sesemi_search.search.open_ledger import begin_ledger, open_ledger, release_trials, resume_ledger
from sesemi_search.search.plan import Plan
from sesemi_search.search.ray_tune.actor_manager import our_workers
from sesemi_search.search.ray_tune.adapters import Adapters, LedgerScheduler, LedgerSearcher
from sesemi_search.search.ray_tune.cluster import Slots, connect, count_slots, warn_when_lost
from sesemi_search.search.ray_tune.local_ray import LocalRay
from sesemi_search.search.ray_tune.signals import Signals
from sesemi_search.search.ray_tune.trainable import TrialTrainable
from sesemi_search.search.result import SearchResult
from sesemi_search.search.search_log import log_to
from sesemi_search.search.session import Session
from sesemi_search.search.stopping import Budget, parse_duration
from sesemi_search.search.watchdog import Watchdog
from sesemi_search.tracking.tracker import Tracker

__all__ = ["search"]

logger = logging.getLogger(__name__)


def search(
    plan: Plan,
    directory: Path,
    argv: Sequence[str],
    make_tracker: Callable[[Ledger, Path, Budget, int], Tracker],
    resume: bool = False,
    begun: LocalRay | None = None,
) -> SearchResult:
    """Runs trials until all that were asked for have ended.

    Args:
        plan: What to search.
        directory: The search directory; where none was given, another search may have it by now, and this one takes the
            next name that is free.
        argv: The command line, for the provenance.
        make_tracker: Makes what is shown every event, from the ledger that the search goes on with, its directory, its
            budget and the number of its slots; closed at the end, when all files of the search are there.
        resume: Goes on with the search in `directory` instead of beginning one.
        begun: The local Ray that has begun to start.

    Raises:
        ConfigError: Another driver is at work there, no node can hold a trial, or Ray or `search.storage` cannot be
            had.
    """
    run, options = plan.settings.run, plan.settings.search
    if options.storage is not None:
        open_storage(directory, options.storage)  # which raises before there is a directory
    with connect(plan.settings.ray.address, plan.project, begun):
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        slots = count_slots(run, options.max_concurrent, nodes)
        if not resume and options.dir is None and plan.phase is None:
            directory = claim_directory(directory)
        with lock_directory(directory), log_to(directory):
            _say_placement(plan, slots)
            ledger = resume_ledger(plan, directory) if resume else begin_ledger(plan, directory, argv)
            earlier, earlier_s = ledger.records(), ledger.wall_s
            # Tune writes pickles of its own state; nobody reads them.
            scratch = tempfile.TemporaryDirectory(prefix="sesemi-search-", ignore_cleanup_errors=True)
            budget = _make_budget(plan, ledger, slots)
            with scratch, contextlib.closing(make_tracker(ledger, directory, budget, slots.count)) as tracker:
                session = _make_session(plan, ledger, directory, tracker, slots.count, budget)
                start = time.perf_counter()
                with warn_when_lost(f"Then: {plan.resume_command(directory)}"):
                    _run_trials(plan, session, directory, slots, scratch.name)
                seconds = time.perf_counter() - start
                if session.stop is not None:
                    # After an end in the middle of things this study object may not know the whole of its file.
                    ledger = open_ledger(plan, directory)
                records, copied, best = ledger.records(), ledger.copied(), ledger.best()
                outcomes = ", ".join(f"{n} {name}" for name, n in Counter(r.outcome.value for r in records).items())
                logger.debug(f"the search ends after {seconds:.1f} s: {outcomes}")
                if best is not None and plan.phase is None:
                    _write_best(plan, directory, best)
    trained = sum(record.seconds for record in records) - sum(record.seconds for record in earlier)
    return SearchResult(
        directory, records, copied, best, session.stop, ledger.is_exhausted, seconds, earlier_s, trained, slots.count
    )


def _make_session(
    plan: Plan, ledger: Ledger, directory: Path, tracker: Tracker, max_concurrent: int, budget: Budget
) -> Session:
    options = plan.settings.search
    return Session(
        ledger,
        plan.space,
        plan.experiment,
        plan.resolve,
        directory,
        tracker,
        plan.architectures,
        limits=options.constraints,
        num_trials=options.num_trials,
        max_concurrent=max_concurrent,
        max_attempts=options.max_attempts,
        keep_checkpoints=options.keep_checkpoints,
        budget=budget,
        watchdog=_make_watchdog(plan),
        excluded=plan.excluded,
        phase=plan.phase,
    )


def _make_budget(plan: Plan, ledger: Ledger, slots: Slots) -> Budget:
    options = plan.settings.search
    time_s = None if options.time_budget is None else parse_duration(options.time_budget, "search.time_budget")
    share, unit = (slots.gpus, "GPU") if slots.gpus else (float(slots.cpus), "core")
    earlier = sum(record.seconds for record in ledger.records())
    return Budget(time_s, options.compute_budget, share, unit, ledger.wall_s, earlier)


def _make_watchdog(plan: Plan) -> Watchdog:
    options = plan.settings.search
    timeout_s = None if options.epoch_timeout is None else parse_duration(options.epoch_timeout, "search.epoch_timeout")
    return Watchdog(timeout_s, parse_duration(options.stop_grace, "search.stop_grace"))


def _run_trials(plan: Plan, session: Session, directory: Path, slots: Slots, scratch: str) -> None:
    """Lets Ray run the session. Afterwards no trial is running, whatever ended it."""
    adapters = Adapters(session)
    trainable = tune.with_parameters(TrialTrainable, directory=directory, project=plan.project, data=dict(plan.data))
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": slots.cpus, "gpu": slots.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=LedgerSearcher(adapters),
            scheduler=LedgerScheduler(adapters),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            storage_path=scratch,
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=0),
        ),
    )
    # It names the trials that lost a worker, by ids of its own; what became of them is told by theirs.
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)
    signals = Signals(session)
    try:
        with signals, our_workers():
            tuner.fit()
        if adapters.failure is not None:
            raise adapters.failure
        session.interrupt()
        session.save()
    except BaseException as error:  # Ray makes other exceptions of a KeyboardInterrupt
        _leave_resumable(plan, directory)
        if isinstance(error, OSError | StorageInternalError | SesemiSearchError):
            raise SesemiSearchError(
                f"{directory}: {str(error).rstrip('.')}. The search stopped; what was recorded before is kept. "
                f"Once that is mended: {plan.resume_command(directory)}"
            ) from error
        if not signals.twice:
            raise


def _leave_resumable(plan: Plan, directory: Path) -> None:
    """Leaves no trial running after an end in the middle of things.

    The study object is done with: after a write that failed half way it no longer knows its file. A fresh one does. On
    a full disk that one fails too; then its torn line is taken away, and the trials stay orphaned, as after a kill.
    """
    with contextlib.suppress(Exception):
        release_trials(plan, directory)
    if plan.settings.search.storage is None:
        repair_journal(directory)


def _say_placement(plan: Plan, slots: Slots) -> None:
    run = plan.settings.run
    if run.gpus and not slots.gpus and run.accelerator.value == "auto":
        logger.info(f"run.gpus={run.gpus:g}, but there is no GPU here: training on the CPU")
    where = f"{slots.gpus:g} GPU, " if slots.gpus else ""
    trials = f"{slots.count} trial{'s' * (slots.count != 1)} at a time"
    logger.info(f"{trials}, {where}{slots.cpus} CPU thread{'s' * (slots.cpus != 1)} each")


def _write_best(plan: Plan, directory: Path, best: TrialRecord) -> None:
    """Copies the best trial's config, for a run that opens the test split if the experiment's own does."""
    config = OmegaConf.load(trial_dir(directory, best.number) / "config.yaml")
    assert isinstance(config, DictConfig)
    config.run.test = plan.settings.run.test
    values = ", ".join(f"{name} {value:.6g}" for name, value in plan.objectives.by_name(best).items())
    head = f"Trial {best.number:04d}, {values} after {best.epochs} epochs. The final run:"
    command = f"  sesemi-search train --config-dir {shlex.quote(str(directory))} --config-name best"
    write_text(directory / "best.yaml", to_yaml(config, head, command))
