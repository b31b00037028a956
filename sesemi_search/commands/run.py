"""The verb `run`: compose, plan, search, say what came out.

What takes seconds to import is imported while Ray starts, if composing has not imported it.
"""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from sesemi_search.config.compose import Composed, Request, compose_config
from sesemi_search.console import make_console
from sesemi_search.search.directory import choose_directory
from sesemi_search.search.ledger.records import TrialRecord
from sesemi_search.search.ray_tune.cluster import start_ahead
from sesemi_search.search.ray_tune.signals import signals_interrupt
from sesemi_search.search.result import SearchResult
from sesemi_search.search.stopping import Budget, StopKind
from sesemi_search.tracking import TerminalProgress, Tracker, search_tracker

__all__ = ["begin_search", "carry_out", "exit_code", "run_command"]

logger = logging.getLogger(__name__)


def run_command(request: Request, argv: Sequence[str]) -> int:
    """Begins a search; returns the exit code."""
    return exit_code(begin_search(request, argv))


def begin_search(request: Request, argv: Sequence[str]) -> SearchResult:
    """Begins a search, runs it to its end and prints what came of it."""
    console = make_console()
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


def carry_out(composed: Composed, directory: Path, argv: Sequence[str], console: Console, resume: bool) -> SearchResult:
    """Plans a composed search, runs it to its end and prints what came of it."""
    with signals_interrupt() as interrupt_again, start_ahead(composed.config) as begun:
        from sesemi_search.report.search_end import print_search_end
        from sesemi_search.search.plan import make_plan
        from sesemi_search.search.ray_tune.driver import search

        plan = make_plan(composed, resume)
        interrupt_again()

        def make_tracker(earlier: Sequence[TrialRecord], budget: Budget, num_slots: int) -> Tracker:
            best, first = plan.objectives.best(earlier), plan.objectives.first
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
            return search_tracker(plan.settings.tracking, progress, directory)

        result = search(plan, directory, argv, make_tracker, resume, begun)
    print_search_end(result, plan.space, plan.objectives, console)
    return result


def exit_code(result: SearchResult) -> int:
    """Returns what the program ends with: 0 where there is a best trial and nothing went wrong, 130 after a signal."""
    kind = result.stop.kind if result.stop else None
    if kind is StopKind.signal:
        return 130
    return 1 if result.best is None or kind in (StopKind.error, StopKind.storage) else 0
