"""The verb `final`: confirm the best of a search, train the winner on all images, open the test split once."""

from collections.abc import Sequence

from rich.console import Console

from sesemi_search.commands.run import follow_search
from sesemi_search.config.compose import Request
from sesemi_search.console import make_console
from sesemi_search.final.final_plan import FinalPlan, plan_final
from sesemi_search.final.final_run import run_final
from sesemi_search.final.result import FinalRun
from sesemi_search.formatting import quote_path
from sesemi_search.project.project import check_writable
from sesemi_search.report.page import ReportFile
from sesemi_search.search.ray_tune.cluster import count_slots, start_ahead
from sesemi_search.search.ray_tune.local_ray import machine_resources
from sesemi_search.search.ray_tune.signals import signals_interrupt

__all__ = ["carry_out_final", "final_command"]


def final_command(request: Request, argv: Sequence[str], dry_run: bool = False, again: bool = False) -> int:
    """Carries out the final run of a search, or says what it would do; returns the exit code."""
    if not dry_run:
        carry_out_final(request, argv, again)
        return 0
    console = make_console()
    plan = plan_final(request, again)
    if isinstance(plan, FinalPlan):
        _print_plan(plan, console)
    return 0


def carry_out_final(request: Request, argv: Sequence[str], again: bool = False) -> FinalRun:
    """Carries out the final run of a search, or the rest of it, and prints what came of it."""
    console = make_console()
    plan = plan_final(request, again)
    if isinstance(plan, FinalRun):
        return plan
    check_writable(plan.folder, "search.dir")
    _print_plan(plan, console)
    first = next(iter(plan.configs.values()))
    with signals_interrupt(), start_ahead(plan.setup.compose(first, None)) as begun:
        run = run_final(plan, argv, lambda phase: follow_search(phase, console), begun)
    ReportFile(plan.stored.directory).close()  # whose page shows it from now on
    _print_run(run, console)
    return run


def _print_plan(plan: FinalPlan, console: Console) -> None:
    settings = plan.setup.typed(next(iter(plan.configs.values())))
    slots = count_slots(settings.run, settings.search.max_concurrent, [machine_resources()])
    for line in plan.describe(slots.count):
        console.print(line, soft_wrap=True, markup=False)


def _print_run(run: FinalRun, console: Console) -> None:
    test = run.test
    console.print()
    console.print(f"{run.winner}, trained on train + validation for {run.metrics['num_epochs']} epochs:")
    console.print(run.describe_test(), soft_wrap=True)
    console.print(
        f"macro F1 {test['macro_f1']:.4f}, balanced accuracy {test['balanced_accuracy']:.4f}, "
        f"calibration error {test['calibration_error']:.4f}"
    )
    console.print(f"model, config, metrics and model card: {quote_path(run.directory)}", soft_wrap=True, markup=False)
