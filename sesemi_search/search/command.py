"""The verbs `run` and `resume`: compose, plan, search, say what came out."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from sesemi_search.config.compose import Composed, Request, compose_config
from sesemi_search.config.errors import ConfigError
from sesemi_search.config.overrides import override_config
from sesemi_search.config.project import find_project
from sesemi_search.config.schema import Mode, SearchExperimentConfig
from sesemi_search.report.search_end import print_search_end
from sesemi_search.search.directory import SEARCH_YAML, choose_directory, holds_search
from sesemi_search.search.driver import SearchResult, new_study_name, search
from sesemi_search.search.plan import Plan, make_plan
from sesemi_search.search.records import Outcome, TrialRecord, best_record
from sesemi_search.tracking import Tracker, search_tracker

__all__ = ["resume_command", "resume_plan", "run_command"]


def run_command(request: Request, argv: Sequence[str]) -> int:
    """Begins a search; returns the exit code."""
    console, say = _console()
    composed = compose_config(request)
    options = composed.config.search
    now = datetime.now()
    directory = choose_directory(options.dir, composed.project, options.name, now)
    for note in composed.notes:
        say(note)
    plan = make_plan(composed, say)
    return _search(plan, directory, argv, console, say, new_study_name(options.name, f"{now:%Y%m%d_%H%M%S}"))


def resume_command(request: Request, argv: Sequence[str]) -> int:
    """Goes on with the search in a directory; returns the exit code."""
    console, say = _console()
    plan = resume_plan(request, say)
    return _search(plan, Path(request.overrides[0]).expanduser().absolute(), argv, console, say, None)


def resume_plan(request: Request, say: Callable[[str], None]) -> Plan:
    """Returns the plan of a search that goes on; the directory is the first override.

    Raises:
        ConfigError: There is no search, or an override would change what its trials are.
    """
    if not request.overrides or "=" in request.overrides[0]:
        raise ConfigError("resume: say which search to go on with, sesemi-search resume DIR.")
    directory = Path(request.overrides[0]).expanduser().absolute()
    if not holds_search(directory):
        raise ConfigError(f"resume: {directory} holds no search (it has no {SEARCH_YAML}).")
    return make_plan(_stored(directory, request), say)


def _stored(directory: Path, request: Request) -> Composed:
    """Returns the config that a search began with, with further overrides of `search`, `tracking` and `ray`."""
    try:
        stored = OmegaConf.load(directory / SEARCH_YAML)
        config = OmegaConf.merge(OmegaConf.structured(SearchExperimentConfig), stored)
    except (OSError, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(f"resume: {directory / SEARCH_YAML} cannot be read: {error}") from error
    config = override_config(config, request.overrides[1:], ("search.", "tracking.", "ray."))
    return Composed(config, find_project(request.project, directory), [], [])


def _console() -> tuple[Console, Callable[[str], None]]:
    """Returns the terminal, and what prints a line of text there as it is."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 120  # a log file has no width of its own; the table reads better than at rich's 80
    return console, partial(console.print, soft_wrap=True, markup=False)


def _search(
    plan: Plan,
    directory: Path,
    argv: Sequence[str],
    console: Console,
    say: Callable[[str], None],
    new_name: str | None,
) -> int:
    def make_tracker(earlier: Sequence[TrialRecord]) -> Tracker:
        best = best_record(earlier, plan.settings.search.mode is Mode.max)
        ended = Counter(r.outcome.value for r in earlier if r.outcome not in (Outcome.running, Outcome.interrupted))
        leader = None if best is None or best.value is None else (best.value, best.number)
        return search_tracker(plan.settings, directory, console, say, ended, leader)

    result = search(plan, directory, argv, make_tracker, say, new_name)
    print_search_end(result, plan.space, plan.settings.search, console)
    return _exit_code(result)


def _exit_code(result: SearchResult) -> int:
    if result.interrupted:
        return 130
    return 0 if result.best is not None else 1
