"""The verb `check`: compose, visit every branch, show what each costs and what is wrong. Nothing is written."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.schema import ConstraintsConfig, SearchExperimentConfig
from sesemi_search.config.source_lines import SourceLines
from sesemi_search.console import make_console, show_progress
from sesemi_search.data.classes import check_classes
from sesemi_search.errors import ConfigError, Fault, Problem
from sesemi_search.formatting import format_count, format_seconds
from sesemi_search.preflight.architecture import MAX_VALUE_FLOPS, MAX_VALUE_PARAMS, Architectures
from sesemi_search.preflight.branches import Branch, Checked, End
from sesemi_search.preflight.constraints import check_limits
from sesemi_search.preflight.cost import Trial, estimate_cost
from sesemi_search.preflight.measure import Speed, describe_data, measure_speeds, speed_key
from sesemi_search.report.check_table import NOTHING, BranchRow, render_branches
from sesemi_search.search.plan import check_schedules, load_data
from sesemi_search.search.preparation import BadBranches, check_prepared, prepare
from sesemi_search.space.size import count_discrete
from sesemi_search.training.device import resolve_device

__all__ = ["check_command", "describe_space"]

logger = logging.getLogger(__name__)


def check_command(request: Request, measure: bool) -> int:
    """Shows every branch of a space; returns the exit code: 0 when all work, 1 when one does not.

    Args:
        request: What to compose.
        measure: Also loads the data and trains a few steps of each architecture.
    """
    console = make_console()
    composed = compose_config(request)
    for note in composed.notes:
        logger.info(note)
    with composed.source_lines.added():
        prepared = prepare(composed)
        check_classes(prepared.settings)
        checked = check_prepared(prepared, Architectures(), BadBranches.show)
    speeds: dict[str, Speed] | None = None
    if measure:
        data = load_data(prepared.settings)
        seen = {checked.locate(each, end) for branch in checked.branches for end in branch.ends for each in end.remarks}
        for remark in check_schedules(checked, len(data["train"])):
            if remark not in seen:  # the table has it
                logger.info(str(remark))
        for line in describe_data(data, prepared.settings.learner.hparams.num_classes):
            logger.info(line)
        with show_progress() as show:
            speeds = measure_speeds(checked, data, lambda done, of: show(f"training {done + 1} of {of}", done / of))
        console.print()
    report = _Report(checked, speeds, composed.source_lines, prepared.settings.search.constraints)
    report.show(prepared.settings.search.name, console)
    if speeds is not None:
        _show_cost(checked, speeds, prepared.settings, console)
    return 1 if report.num_bad else 0


@dataclass
class _Report:
    """Turns what was checked into rows, and numbers the reasons that they refer to.

    Attributes:
        num_bad: Branches with a problem, of those shown so far.
    """

    checked: Checked
    speeds: Mapping[str, Speed] | None
    source_lines: SourceLines
    limits: ConstraintsConfig
    num_bad: int = 0
    _reasons: dict[Fault, Problem] = field(default_factory=dict)

    def show(self, name: str, console: Console) -> None:
        """Prints the space, its branches, the reasons and what was not looked at."""
        rows = [self._row(branch) for branch in self.checked.branches]
        console.print(describe_space(self.checked, name), soft_wrap=True)
        console.print()
        console.print(render_branches(rows))
        console.print()
        of = f"{len(rows)} branches" if len(rows) != 1 else "1 branch"
        console.print(f"{self.num_bad} of {of} cannot work" if self.num_bad else f"{of}: OK", soft_wrap=True)
        reasons = Table.grid(padding=(0, 1))
        for number, reason in enumerate(self._reasons.values(), 1):
            reasons.add_row(f"({number})", Text(str(self.source_lines.add(reason)), overflow="fold"))
        console.print(reasons)
        for line in [*self.checked.notes, *_describe_limits(self.checked)]:
            console.print(line, soft_wrap=True)

    def _row(self, branch: Branch) -> BranchRow:
        choices = {name: (value,) for name, value in self.checked.space.shorten(branch.choices).items()}
        low, high = (self._cells(end) for end in branch.ends)
        return BranchRow(choices, {name: (low[name], high[name]) for name in low}, self._result(branch))

    def _cells(self, end: End) -> dict[str, str]:
        built = end.architecture
        names = ["params", "FLOPs", "output", "weights\nbytes", "batch\nbytes"]
        if built is None or end.config is None:
            cells = dict.fromkeys(names, NOTHING)
        else:
            batch_bytes = built.batch_bytes(end.config["run"]["batch_size_per_gpu"])
            output = f"(B, {', '.join(map(str, built.output))})"
            counts = [format_count(built.num_params), format_count(built.flops)]
            memory = [format_count(built.param_bytes), format_count(batch_bytes)]
            cells = dict(zip(names, [*counts, output, *memory], strict=True))
        if self.speeds is not None:
            seconds = None if (speed := self._speed(end)) is None else speed.epoch_seconds
            cells["an\nepoch"] = NOTHING if seconds is None else _format_epoch(seconds)
        return cells

    def _speed(self, end: End) -> Speed | None:
        return None if not self.speeds or end.config is None else self.speeds.get(speed_key(end.config))

    def _result(self, branch: Branch) -> str:
        """Says OK, or which reasons hold at which end."""
        low, high = (self._problems(end) for end in branch.ends)
        if low or high:
            self.num_bad += 1
            where = "" if low and high else " low" if low else " high"
            return f"bad{where} {self._numbers({**low, **high, **low})}"
        notes = [*self._beyond_limits(branch), *(text for end in branch.ends for text in self._remarks(end))]
        notes += [s.note for end in branch.ends if (s := self._speed(end)) is not None and s.note]
        devices = {end.architecture.device for end in branch.ends if end.architecture is not None}
        return " ".join(
            [
                "OK",
                *(["on CPU"] if "cpu" in devices else []),
                *([self._numbers({note.fault: note for note in notes})] if notes else []),
            ]
        )

    def _beyond_limits(self, branch: Branch) -> list[Problem]:
        """Says that a branch has models beyond `search.constraints`, whose trials are infeasible."""
        for end in branch.ends:
            if end.architecture is not None:
                try:
                    check_limits(end.architecture, self.limits)
                except ConfigError as error:
                    return error.problems
        return []

    def _problems(self, end: End) -> dict[Fault, Problem]:
        """Returns what is wrong at an end, each fault once."""
        speed = self._speed(end)
        problems = [*end.problems, *(() if speed is None else speed.problems)]
        return {problem.fault: self.checked.locate(problem, end) for problem in problems}

    def _remarks(self, end: End) -> list[Problem]:
        return [self.checked.locate(remark, end) for remark in end.remarks]

    def _numbers(self, reasons: Mapping[Fault, Problem]) -> str:
        for fault, problem in reasons.items():
            self._reasons.setdefault(fault, problem)
        known = list(self._reasons)
        return " ".join(f"({known.index(fault) + 1})" for fault in reasons)


def _format_epoch(seconds: float) -> str:
    return f"{seconds:.2g}s" if seconds < 1 else format_seconds(seconds)


def describe_space(checked: Checked, name: str) -> str:
    """Returns how large a space is and how much of it was checked, in a line."""
    dimensions = checked.space.dimensions
    conditional = sum(bool(dimension.condition) for dimension in dimensions)
    some = len(checked.branches)
    visited = "" if some == checked.num_branches else f", {some:,} of them checked, at random"
    branches = f"{checked.num_branches:,} branch{'es' * (checked.num_branches != 1)}"
    size = f"discrete part: {count_discrete(checked.space):,} combinations"
    return f"{name}: {len(dimensions)} dimensions, {conditional} of them conditional; {branches}{visited}; {size}"


def _describe_limits(checked: Checked) -> list[str]:
    """Says of how many architectures no value was computed."""
    built = {id(a): a for branch in checked.branches for e in branch.ends if (a := e.architecture) is not None}
    large = sum(not architecture.is_cheap for architecture in built.values())
    if not large:
        return []
    limit = f"{format_count(MAX_VALUE_PARAMS)} parameters or {format_count(MAX_VALUE_FLOPS)} FLOPs"
    return [
        f"{large} of {len(built)} architectures were checked without values, which is where NaN shows: over {limit}"
    ]


def _show_cost(
    checked: Checked, speeds: Mapping[str, Speed], settings: SearchExperimentConfig, console: Console
) -> None:
    """Prints what the search will cost."""
    configs = [end.config for branch in checked.branches for end in branch.ends if end.config is not None]
    trials = [
        Trial(speed.epoch_seconds, config["run"]["num_epochs"])
        for config in configs
        if (speed := speeds.get(speed_key(config))) is not None and speed.epoch_seconds is not None
    ]
    if not trials:
        return
    run, search = settings.run, settings.search
    on_gpu = resolve_device(run.accelerator, run.gpus).device.type != "cpu"
    share, unit = (run.gpus, "GPU-hours") if on_gpu else (float(run.num_threads), "core-hours")
    cost = estimate_cost(trials, search.num_trials, share, search.pruner)
    console.print(f"the search, {search.num_trials} trials, in {unit} of training:")
    console.print(f"  at most {cost.at_most:.2g} if every trial is of the slowest branch and none is stopped")
    console.print(f"  about {cost.unstopped:.2g} if all branches are drawn equally often and none is stopped")
    if cost.halved is not None:
        console.print(f"  about {cost.halved:.2g} with successive halving, which stops most of them early")
