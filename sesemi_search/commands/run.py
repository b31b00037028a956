"""The verb `run`: compose, plan, search, say what came out.

What takes seconds to import is imported while Ray starts, if composing has not imported it.
"""

import logging
import os
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sesemi_search.config.compose import Composed, Request, compose_config
from sesemi_search.console import make_console
from sesemi_search.errors import ConfigError
from sesemi_search.formatting import quote_path
from sesemi_search.search.directory import REPORT, choose_directory, holds_search
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ray_tune.cluster import start_ahead
from sesemi_search.search.ray_tune.signals import signals_interrupt
from sesemi_search.search.result import SearchResult
from sesemi_search.search.stopping import Budget, StopKind
from sesemi_search.tracking import TerminalProgress, Tracker, Trackers, WandbTracker, search_tracker

if TYPE_CHECKING:  # it takes torch
    from sesemi_search.search.plan import Plan

__all__ = ["begin_search", "carry_out", "exit_code", "follow_search", "run_command"]

logger = logging.getLogger(__name__)

# Makes what is shown every event: from the ledger of a search, its directory, its budget and its number of slots.
MakeTracker = Callable[[Ledger, Path, Budget, int], Tracker]


def run_command(request: Request, argv: Sequence[str]) -> int:
    """Begins a search; returns the exit code."""
    return exit_code(begin_search(request, argv))


def begin_search(request: Request, argv: Sequence[str]) -> SearchResult:
    """Begins a search, runs it to its end and prints what came of it."""
    console = make_console()
    _refuse_search(request.overrides)
    composed = compose_config(request)
    options = composed.config.search
    now = datetime.now()
    directory = choose_directory(options.dir, composed.project, options.name, now)
    for note in composed.notes:
        logger.info(note)
    if options.study is None:
        # The random end tells searches of the same second apart.
        options.study = f"{options.name}-{now:%Y%m%d_%H%M%S}-{os.urandom(2).hex()}"
    return carry_out(composed, directory, argv, console, resume=False)


def _refuse_search(overrides: Sequence[str]) -> None:
    """Sees that a new search was not asked for in the words that go on with an old one."""
    given = overrides[0] if overrides else ""
    if given and holds_search(Path(given)):
        raise ConfigError(
            "run",
            f"got {given!r}, a search that has begun. To go on with it: sesemi-search resume {shlex.quote(given)}; "
            f"to train its best config: sesemi-search train {shlex.quote(given)}.",
        )


def carry_out(composed: Composed, directory: Path, argv: Sequence[str], console: Console, resume: bool) -> SearchResult:
    """Plans a composed search, runs it to its end and prints what came of it."""
    with signals_interrupt() as interrupt_again, start_ahead(composed.config) as begun:
        from sesemi_search.report.search_end import print_search_end
        from sesemi_search.search.plan import make_plan
        from sesemi_search.search.ray_tune.driver import search

        plan = make_plan(composed, resume)
        interrupt_again()
        result = search(plan, directory, argv, follow_search(plan, console), resume, begun)
    print_search_end(result, plan.space, plan.objectives, console)
    if (page := result.directory / REPORT).is_file():
        console.print(f"report:         {quote_path(page)}", soft_wrap=True)
    if plan.settings.final.auto and exit_code(result) == 0:
        from sesemi_search.commands.final import carry_out_final

        carry_out_final(Request(search=True, overrides=[str(result.directory)]), argv)
    return result


def follow_search(plan: "Plan", console: Console) -> MakeTracker:
    """Returns what makes the tracker of a search, or of a phase of a final run, from its ledger and its directory."""
    from sesemi_search.report.page import ReportFile
    from sesemi_search.report.tracked_search import TrackedSearch, read_facts

    def make_tracker(ledger: Ledger, directory: Path, budget: Budget, num_slots: int) -> Tracker:
        earlier, first = ledger.records(), plan.objectives.first
        # Of several objectives the best in the first, as those that follow are told: not the one that is taken.
        best = next(iter(plan.objectives.front(earlier)), None)
        progress = TerminalProgress(
            console,
            first.name,
            first.mode,
            plan.settings.search.num_trials,
            ended=Counter(r.outcome.value for r in earlier if r.is_ended and r.is_counted),
            best=None if best is None or best.value is None else (best.value, best.number),
            num_slots=num_slots,
            budget_left=budget.seconds_left,
        )

        def of_search(tracker: WandbTracker) -> Tracker:
            if plan.phase is not None:
                return tracker
            facts = partial(read_facts, ledger, directory, plan.settings.search, plan.space)
            return TrackedSearch(tracker, facts, plan.settings.tracking.log_model)

        shown = search_tracker(plan.settings.tracking, progress, directory, of_search)
        return shown if plan.phase is not None else Trackers([ReportFile(directory), shown])

    return make_tracker


def exit_code(result: SearchResult) -> int:
    """Returns what the program ends with: 0 where there is a best trial and nothing went wrong, 130 after a signal."""
    kind = result.stop.kind if result.stop else None
    if kind is StopKind.signal:
        return 130
    return 1 if result.best is None or kind in (StopKind.error, StopKind.storage) else 0
