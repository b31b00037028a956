"""The report: what was to be reached beside what was, then every figure."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import version
from typing import NamedTuple

from benchmarks.speed.commands import Commands
from benchmarks.speed.driver import DriverCost
from benchmarks.speed.searches import DOCUMENTED, EXPERT, OPTUNA, Round, Search
from benchmarks.speed.steps import Step

__all__ = ["Figures", "make_report"]

_PACKAGES = ("ray", "optuna", "torch", "wandb", "hydra-core", "numpy")
_HEAD = """# Speed

`make benchmark{quick}`, {date}: {rounds}, {trials} trials a search. Python {python},
{packages};
{cores} cores, {machine}; load average before: {before:.1f}, after, with what the benchmark itself adds: {after:.1f}.

Figures are medians over the rounds, and each ratio is of one round{goals}. The driver and the step are
measured once, as medians of many turns. `benchmarks/speed/` says what each contender does.
"""


class Figures(NamedTuple):
    """All that was measured.

    Attributes:
        rounds: The searches and floors, round by round.
        commands: The other commands, round by round.
        driver: The driver's cost by sampler and number of trials.
        steps: An epoch beside the bare loop's, by model.
        load: Load average before everything.
    """

    rounds: Sequence[Round]
    commands: Sequence[Commands]
    driver: Sequence[DriverCost]
    steps: Sequence[Step]
    load: float


class _Goal(NamedTuple):
    figure: str
    values: list[float]
    most: float
    unit: str = ""


def make_report(figures: Figures, quick: bool) -> str:
    """Returns the report as Markdown."""
    num_rounds = len(figures.rounds)
    head = _HEAD.format(
        quick=" QUICK=1" * quick,
        goals="; the goals are for 48 trials" * quick,
        date=date.today().isoformat(),
        rounds=f"{num_rounds} round{'s' * (num_rounds != 1)}",
        trials=figures.rounds[0].ours.whole.num_trials,
        python=platform.python_version(),
        packages=", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        cores=os.cpu_count(),
        machine=platform.machine(),
        before=figures.load,
        after=os.getloadavg()[0],
    )
    parts = [
        _goals(figures),
        _searches(figures.rounds),
        _inside(figures),
        _driver(figures.driver),
        _steps(figures.steps),
    ]
    return "\n".join([head, *("\n".join(part) + "\n" for part in parts)])


def _goals(figures: Figures) -> Iterable[str]:
    yield "## Goals\n"
    yield "| | median | round by round | goal | reached |"
    yield "|---|---|---|---|---|"
    for goal in [*_search_goals(figures.rounds), *_slot_goals(figures.rounds), *_part_goals(figures)]:
        median, each = _with_median(goal.values, 1 if goal.unit else 2)
        is_reached = statistics.median(goal.values) <= goal.most
        yield _row(goal.figure, median + goal.unit, each, f"<= {goal.most:g}{goal.unit}", "yes" if is_reached else "no")


def _search_goals(rounds: Sequence[Round]) -> Iterable[_Goal]:
    per_epoch = [each.ours.whole.seconds_per_epoch for each in rounds]
    for name, most in ((EXPERT, 0.7), (OPTUNA, 1.0), (DOCUMENTED, 0.1)):
        pairs = zip(per_epoch, rounds, strict=True)
        values = [ours / each.peers[name].seconds_per_epoch for ours, each in pairs if name in each.peers]
        if values:
            yield _Goal(f"whole search / {name}, per epoch trained", values, most)
    floors = [each.floor_s for each in rounds]
    spans = [each.ours.span_s / floor for each, floor in zip(rounds, floors, strict=True)]
    trained = [each.ours.trained_s / floor for each, floor in zip(rounds, floors, strict=True)]
    wholes = [each.ours.whole.seconds / (floor + 5) for each, floor in zip(rounds, floors, strict=True)]
    yield _Goal("first trial's start to the last one's end / floor", spans, 1.1)
    yield _Goal("first training step to the last evaluation / floor", trained, 1.1)
    yield _Goal("whole search / floor + 5 s", wholes, 1.15)


def _slot_goals(rounds: Sequence[Round]) -> Iterable[_Goal]:
    idle = [each.ours.idle for each in rounds]
    between_trials = [1000 * statistics.median(each.between_trials) for each in idle]
    between_epochs = [1000 * statistics.median(each.between_epochs) for each in idle]
    yield _Goal("idle slot between two trials, median", between_trials, 30, " ms")
    yield _Goal("idle slot between two epochs, median", between_epochs, 5, " ms")
    yield _Goal("command to the first training step", [each.ours.first_step_s for each in rounds], 7, " s")
    yield _Goal("last trial's end to the prompt", [each.ours.prompt_s for each in rounds], 1, " s")


def _part_goals(figures: Figures) -> Iterable[_Goal]:
    beyond = {each.num_trials: each.beyond_ms for each in figures.driver if each.sampler == "random"}
    if 1000 in beyond:
        yield _Goal("no-op trial on the driver at 1,000 trials, beyond Optuna's own", [beyond[1000]], 8, " ms")
    if 5000 in beyond:
        yield _Goal("the same at 5,000 trials / at 100", [beyond[5000] / beyond[100]], 1.5)
    for step in figures.steps:
        yield _Goal(f"step and data path / bare loop, {step.model}", [step.ratio], 1.03)


def _searches(rounds: Sequence[Round]) -> Iterable[str]:
    yield "## The whole search\n"
    yield "| | wall, s | trials | epochs | ms an epoch | best val/top1 | load before |"
    yield "|---|---|---|---|---|---|---|"
    yield _search_row("ours", [each.ours.whole for each in rounds])
    for name in (EXPERT, OPTUNA, DOCUMENTED):
        if searches := [each.peers[name] for each in rounds if name in each.peers]:
            yield _search_row(name, searches)


def _search_row(name: str, searches: Sequence[Search]) -> str:
    columns = [
        _listed([each.seconds for each in searches], 1),
        str(searches[0].num_trials),
        _listed([each.num_epochs for each in searches], 0),
        _listed([1000 * each.seconds_per_epoch for each in searches], 0),
        _listed([each.best for each in searches], 3),
        _listed([each.load for each in searches], 1),
    ]
    return _row(name, *columns)


def _inside(figures: Figures) -> Iterable[str]:
    """Yields where the time of our searches went, in seconds."""
    ours = [each.ours for each in figures.rounds]
    yield "## Where our time went\n"
    yield "| seconds | median | round by round |"
    yield "|---|---|---|"
    rows = {
        "floor: the same trials in bare loops": [each.floor_s for each in figures.rounds],
        "first trial's start to the last one's end (ledger)": [each.span_s for each in ours],
        "first training step to the last evaluation (passes of the models)": [each.trained_s for each in ours],
        "command until its check had passed (`search.log`)": [each.checked_s for each in ours],
        "command to the first training step": [each.first_step_s for each in ours],
        "last trial's end to the prompt": [each.prompt_s for each in ours],
        "command to the end of `check space=lenet_cosine`": [each.check_s for each in figures.commands],
        "command to the end of `--help`": [each.help_s for each in figures.commands],
    }
    for name, values in rows.items():
        yield _row(name, *_with_median(values, 2))
    for name in ("between_epochs", "between_trials"):
        for what, pick in (("median", statistics.median), ("90th percentile", _ninth_decile)):
            values = [pick(getattr(each.idle, name)) for each in ours]
            yield _row(f"idle slot {name.replace('_', ' two ')}, {what}", *_with_median(values, 3))


def _driver(costs: Sequence[DriverCost]) -> Iterable[str]:
    yield "## The driver: no-op trials of up to 27 epochs\n"
    yield (
        "| search/sampler | trials | ours, ms a trial | Optuna, ms a trial | difference | ours, ms an epoch "
        "| Optuna, ms an epoch | opening, s | process, MB |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for each in costs:
        milliseconds = (each.trial_ms, each.optuna_trial_ms, each.beyond_ms, each.epoch_ms, each.optuna_epoch_ms)
        cells = [f"{value:.1f}" for value in milliseconds]
        yield _row(each.sampler, f"{each.num_trials:,}", *cells, f"{each.opening_s:.2f}", f"{each.megabytes:.0f}")


def _steps(steps: Sequence[Step]) -> Iterable[str]:
    yield "## The step and the data path: ms an epoch, evaluation included\n"
    yield "| model | steps an epoch | Fit | bare | ratio | batches alone, Fit | batches alone, bare |"
    yield "|---|---|---|---|---|---|---|"
    for each in steps:
        ours, bare, our_batches, bare_batches = (f"{1000 * statistics.median(values):.1f}" for values in each[2:])
        yield _row(each.model, str(each.num_steps), ours, bare, f"{each.ratio:.3f}", our_batches, bare_batches)


def _ninth_decile(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=10, method="inclusive")[-1]


def _with_median(values: Sequence[float], digits: int) -> tuple[str, str]:
    return f"{statistics.median(values):.{digits}f}", _listed(values, digits)


def _listed(values: Sequence[float], digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
