"""The verb `track`: writes the Weights & Biases runs of a search anew, from its ledger alone.

It only reads the search: no lock, no write but to `wandb/`, and no code from its configs, so that a stranger's search
can be shown as well as one's own.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sesemi_search.config.compose import Request
from sesemi_search.config.experiment import to_typed
from sesemi_search.config.overrides import override_config
from sesemi_search.config.schema import TrackingConfig, TrackingKind
from sesemi_search.console import make_console, print_text
from sesemi_search.errors import ConfigError
from sesemi_search.report.summary import State, summarize
from sesemi_search.report.tracked_search import SearchFacts, track_search
from sesemi_search.report.trial_rows import ORPHANED
from sesemi_search.search.directory import given_directory, lock_holder, trial_dir
from sesemi_search.search.ledger.records import Outcome, TrialRecord
from sesemi_search.search.phase import is_phase
from sesemi_search.search.stored_config import load_trial_config
from sesemi_search.search.stored_search import StoredSearch, load_search_yaml, read_search, sealed_environment
from sesemi_search.search.tracked_run import is_tracked, run_start, run_summary
from sesemi_search.tracking import RunStart, disabling_variable, wandb_tracker

__all__ = ["track_command"]

logger = logging.getLogger(__name__)

# A run takes 0.1 s offline and about 1 s with a server, four at a time; a slow server gets more, and what it does not
# take is written offline in the last third.
_SECONDS_PER_RUN = 2.0
_SECONDS_MORE = 15.0


@dataclass(frozen=True)
class _Run:
    start: RunStart
    outcome: str
    summary: dict[str, Any]


def track_command(request: Request) -> int:
    """Writes the runs of the search in the first override's directory; returns the exit code.

    Raises:
        ConfigError: There is no search, it cannot be read, a driver is at work there, or an override is not one of
            `tracking.*`.
    """
    make_console()
    directory = given_directory("track", request.overrides)
    with sealed_environment():
        stored = read_search(directory)
        tracking = _tracking(directory, request.overrides[1:])
        _check_files(directory)
        runs, problems = _collect(stored)
        facts = _search_facts(stored, {run.start.number for run in runs})
    for problem in problems:
        print_text(f"left out: {problem}")
    if not runs:
        print_text("no runs written" if problems else f"no runs written: no trial of {directory} has begun")
        return 1 if problems else 0
    written = _write(runs, facts, tracking, with_search=not is_phase(stored.config))
    return 0 if written and not problems else 1


def _tracking(directory: Path, overrides: Sequence[str]) -> TrackingConfig:
    """Returns the search's tracking config with the overrides; a search that was not tracked then is now."""
    config = load_search_yaml(directory)
    config.tracking.kind = TrackingKind.wandb
    config = override_config(config, overrides, ["tracking."])
    tracking: TrackingConfig = to_typed(config.tracking)
    if tracking.kind is TrackingKind.none:
        raise ConfigError("tracking", "got 'none', with which there is nothing to write; leave it out.")
    if variable := disabling_variable(tracking):
        raise ConfigError(variable, "with it there is nothing to write; unset it, or give tracking.mode=offline.")
    return tracking


def _check_files(directory: Path) -> None:
    """Sees that runs can be written: nobody else does, and `wandb/` is a folder of the search."""
    if holder := lock_holder(directory):
        raise ConfigError(
            "", f"{directory} is in use by {holder}, which writes its runs; track it when the search ends."
        )
    files = directory / "wandb"
    if files.is_symlink() or (files.exists() and not files.is_dir()):
        raise ConfigError(
            "", "not a folder of the search; the runs would be written elsewhere. Move it away.", file=files
        )


def _collect(stored: StoredSearch) -> tuple[list[_Run], list[str]]:
    """Returns the runs of all trials that began, and what is wrong with the others."""
    runs, problems = [], []
    for record in stored.records:
        if not is_tracked(record):
            continue
        try:
            runs.append(_make_run(stored, record))
        except ConfigError as error:
            problems.append(f"trial {record.number}: {error}")
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # a ledger of whoever's making
            problems.append(f"trial {record.number}: not a trial of this search ({type(error).__name__}: {error})")
    return runs, problems


def _make_run(stored: StoredSearch, record: TrialRecord) -> _Run:
    config = load_trial_config(stored.directory, record.number)
    text = (trial_dir(stored.directory, record.number) / "config.yaml").read_text(encoding="utf-8")
    start = run_start(stored.directory, stored.name, record, stored.space, stored.objectives, config, text)
    for metrics in start.history.values():
        for name, value in metrics.items():
            if not isinstance(value, int | float):
                raise TypeError(f"{name}={value!r} is not a number")
    if is_phase(stored.config):  # of a final run
        group = load_search_yaml(stored.directory.parents[1]).search.study
        start = replace(start, job_type=stored.directory.name.replace("models", "final"), group=group)
    outcome = ORPHANED if record.outcome is Outcome.running else record.outcome.value
    return _Run(start, outcome, run_summary(record, outcome, stored.objectives))


def _search_facts(stored: StoredSearch, numbers: set[int]) -> SearchFacts:
    """Returns the facts of the search; of its trials, those of these numbers."""
    summary = summarize(stored)
    return SearchFacts(
        stored.directory,
        stored.name,
        to_typed(stored.config.search),
        stored.space,
        stored.objectives,
        [record for record in stored.records if record.number in numbers],
        stored.copied,
        is_finished=summary.state is State.finished,
        seconds=summary.seconds,
    )


def _write(runs: Sequence[_Run], facts: SearchFacts, tracking: TrackingConfig, with_search: bool) -> bool:
    """Writes the runs, that of the search last, and says so; returns whether each is where it was to go."""
    num_runs = len(runs) + with_search
    tracking.finish_timeout_s += _SECONDS_MORE + _SECONDS_PER_RUN * num_runs
    tracker = wandb_tracker(tracking, facts.directory)
    logger.info(f"writing {_count(num_runs)}, for {tracking.finish_timeout_s:.0f} s at most")
    for run in runs:
        tracker.start(run.start)
        tracker.end(run.start.number, run.outcome, run.summary)
    if with_search:
        track_search(tracker, facts, tracking.log_model)
    tracker.close()
    number = f"{tracker.num_written} of {_count(num_runs)}" if tracker.num_written < num_runs else _count(num_runs)
    if not tracker.offline:
        logger.info(f"{number} written to the W&B project {tracking.project}, group {runs[0].start.group}")
    else:
        on_disk = ", on disk what the server did not take" if tracker.server_failed else ""
        logger.info(f"{number} written{on_disk}")
    return tracker.num_written == num_runs and not tracker.server_failed


def _count(number: int) -> str:
    return f"{number} run{'s' * (number != 1)}"
