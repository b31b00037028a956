"""A search from its plan to its end: directory, ledger, Ray, signals, best.yaml."""

import contextlib
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import ray
from ray import tune

from sesemi_search.atomic import write_text
from sesemi_search.config.experiment import plain, to_yaml
from sesemi_search.config.project import PROVENANCE
from sesemi_search.config.provenance import describe_provenance
from sesemi_search.search.cluster import Slots, connect, count_slots
from sesemi_search.search.directory import SEARCH_YAML, trial_dir
from sesemi_search.search.ledger import Ledger
from sesemi_search.search.lock import lock_directory
from sesemi_search.search.plan import Plan, resolve_plain
from sesemi_search.search.ray_adapters import Adapters, LedgerScheduler, LedgerSearcher
from sesemi_search.search.records import TrialRecord
from sesemi_search.search.session import Session
from sesemi_search.search.trainable import TrialTrainable
from sesemi_search.tracking.tracker import Tracker

__all__ = ["SearchResult", "search"]


@dataclass(frozen=True)
class SearchResult:
    """A search that ended, finished or not.

    Attributes:
        directory: The search directory.
        records: Every trial.
        best: The best complete trial.
        interrupted: Whether it was told to stop.
        seconds: Wall seconds of this sitting, from the first trial to the last.
        training_seconds: Seconds that trials of this sitting trained, all slots together.
        slots: Trials at once.
    """

    directory: Path
    records: list[TrialRecord]
    best: TrialRecord | None
    interrupted: bool
    seconds: float
    training_seconds: float
    slots: int


class _Signals:
    """SIGINT or SIGTERM once ends a search in order, twice at once."""

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        self._session = session
        self._say = say
        self.twice = False

    def __enter__(self) -> "_Signals":
        # After ray.init, which sets a handler for SIGTERM.
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._session.stopping:
            self.twice = True
            raise KeyboardInterrupt
        self._session.stopping = True
        running = len(self._session.running)
        trials = f"{running} running trial{'s' * (running != 1)}"
        self._say(f"stopping: {trials} will end the epoch; once more to stop at once")


def search(
    plan: Plan,
    directory: Path,
    argv: Sequence[str],
    make_tracker: Callable[[Sequence[TrialRecord]], Tracker],
    say: Callable[[str], None],
    resume: bool = False,
) -> SearchResult:
    """Runs trials until all that were asked for have ended.

    Args:
        plan: What to search.
        directory: The search directory.
        argv: The command line, for the provenance.
        make_tracker: Makes what is shown every event, from the trials of earlier sittings; closed at the end.
        say: Prints a line for the user.
        resume: Goes on with the search in `directory` instead of beginning one.

    Raises:
        ConfigError: Another driver is at work there, or no node can hold a trial.
    """
    run, options = plan.settings.run, plan.settings.search
    with connect(plan.settings.ray.address, plan.project):
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        slots = count_slots(run, options.max_concurrent, nodes)
        _say_placement(plan, slots, say)
        directory.mkdir(parents=True, exist_ok=True)
        with lock_directory(directory):
            if not resume:
                write_text(directory / SEARCH_YAML, to_yaml(plain(plan.config), f"sesemi-search resume {directory}"))
                write_text(directory / PROVENANCE, describe_provenance(argv, plan.project))
            ledger = _open_ledger(plan, directory, resume)
            earlier = ledger.records()
            with contextlib.closing(make_tracker(earlier)) as tracker:
                session = _make_session(plan, ledger, directory, tracker, slots)
                start = time.perf_counter()
                _run_trials(plan, session, directory, slots, say)
                seconds = time.perf_counter() - start
            records, best = ledger.records(), ledger.best()
            if best is not None:
                _write_best(directory, best, options.metric)
    trained = sum(record.seconds for record in records) - sum(record.seconds for record in earlier)
    return SearchResult(directory, records, best, session.stopping, seconds, trained, slots.count)


def _open_ledger(plan: Plan, directory: Path, resume: bool) -> Ledger:
    options = plan.settings.search
    if resume:
        return Ledger.open(
            directory,
            options.study,
            plan.space,
            sampler=options.sampler,
            pruner=options.pruner,
            seed=options.seed,
            storage=options.storage,
        )
    return Ledger.create(
        directory,
        options.study or options.name,
        plan.space,
        sampler=options.sampler,
        pruner=options.pruner,
        seed=options.seed,
        maximize=options.mode.value == "max",
        storage=options.storage,
    )


def _make_session(plan: Plan, ledger: Ledger, directory: Path, tracker: Tracker, slots: Slots) -> Session:
    options = plan.settings.search
    return Session(
        ledger,
        plan.space,
        plan.experiment,
        resolve_plain,
        directory,
        tracker,
        plan.architectures,
        metric=options.metric,
        num_trials=options.num_trials,
        max_concurrent=slots.count,
        max_attempts=options.max_attempts,
        keep_checkpoints=options.keep_checkpoints,
    )


def _run_trials(plan: Plan, session: Session, directory: Path, slots: Slots, say: Callable[[str], None]) -> None:
    """Lets Ray run the session. Afterwards no trial is running, whatever ended it."""
    adapters = Adapters(session)
    trainable = tune.with_parameters(TrialTrainable, directory=directory, project=plan.project, data=dict(plan.data))
    # Tune writes pickles of its own state; nobody reads them.
    scratch = Path(tempfile.mkdtemp(prefix="sesemi-search-"))
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
            storage_path=str(scratch),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=0),
        ),
    )
    signals = _Signals(session, say)
    try:
        with signals:
            tuner.fit()
        if adapters.failure is not None:
            raise adapters.failure
        session.interrupt()
    except BaseException:  # Ray makes other exceptions of a KeyboardInterrupt
        if not signals.twice:
            raise
        # The signal may have come in the middle of a write: the study object is done with, a fresh one sees the file.
        _open_ledger(plan, directory, resume=True).release()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _say_placement(plan: Plan, slots: Slots, say: Callable[[str], None]) -> None:
    run = plan.settings.run
    if run.gpus and not slots.gpus and run.accelerator.value == "auto":
        say(f"run.gpus={run.gpus:g}, but there is no GPU here: training on the CPU")
    where = f"{slots.gpus:g} GPU, " if slots.gpus else ""
    trials = f"{slots.count} trial{'s' * (slots.count != 1)} at a time"
    say(f"{trials}, {where}{slots.cpus} CPU thread{'s' * (slots.cpus != 1)} each")


def _write_best(directory: Path, best: TrialRecord, metric: str) -> None:
    """Copies the best trial's config."""
    text = (trial_dir(directory, best.number) / "config.yaml").read_text()
    head = f"# Trial {best.number:04d}, {metric} {best.value:.4f} after {best.epochs} epochs. The final run:\n"
    command = f"#   sesemi-search train --config-dir {directory} --config-name best\n"
    write_text(directory / "best.yaml", head + command + text.split("\n", 1)[1])
