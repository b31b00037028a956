"""Tables of what searches selected, from the lines that `replay` wrote."""

import json
import math
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["read_rows", "write_report"]

Row = Mapping[str, Any]
_PACKAGES = ("optuna", "numpy", "scipy", "ray", "onnxruntime")
_HEAD = """# What a search finds for its epochs

`make benchmark-search`, {date}; Python {python}, {machine},
{packages}.

Budgets are epochs over all slots, in full trainings; in brackets the standard error over the searches, each of another
seed or another table. What is selected is the best trial that has run in full; where none has, regret is 1 and accuracy
is left out of the mean. Recorded curves: `digits` is in `benchmarks/search_quality/tables`, any other was named.

- default: `search/sampler=learning_curves`, `search/pruner=late_halving`. curves: that sampler, none stopped.
- tpe+asha: the default before. tpe, random: none stopped. `+asha`: halving from epoch 1. `+late`: `late_halving`.
- The others are peers in their documented form (`benchmarks/search_quality/peers/`), with their checkpoints kept.
  Where there are as many searches as tables, they are of one seed, which draws the same first configs on each: its
  error is larger than printed.
"""


def read_rows(paths: Iterable[Path]) -> list[Row]:
    """Reads files of lines."""
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def write_report(rows: Sequence[Row], path: Path) -> None:
    """Writes every table that there are rows for."""
    packages = ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    head = _HEAD.format(
        date=date.today().isoformat(),
        python=platform.python_version(),
        packages=packages,
        machine=platform.machine(),
    )
    parts = [head, *_lcbench(rows), *_accuracies(rows), *_landscapes(rows)]
    path.write_text("\n".join(parts))


def _lcbench(rows: Sequence[Row]) -> Iterable[str]:
    mine = [row for row in rows if row["table"].startswith("lcbench/")]
    for slots in sorted({row["num_slots"] for row in mine}):
        chosen = [row for row in mine if row["num_slots"] == slots]
        yield f"## LCBench, {slots} slot{'s' * (slots != 1)}: normalized regret\n"
        yield "0 is the best of 10,000 random configs, 1 their median. The 17 instances at odd places of its list.\n"
        yield _table(chosen, {"regret": lambda selection: selection["regret"]}, digits=3, ascending=True)


def _accuracies(rows: Sequence[Row]) -> Iterable[str]:
    mine = [row for row in rows if "/" not in row["table"]]
    for table in sorted({row["table"] for row in mine}):
        chosen = [row for row in mine if row["table"] == table]
        yield f"## Recorded curves `{table}`, {chosen[0]['num_slots']} slots\n"
        columns: dict[str, Callable[[Row], float]] = {
            "val": lambda selection: selection["val"],
            "test": lambda selection: selection["test"],
            "best family": lambda selection: float(selection["is_best_family"]),
        }
        yield _table(chosen, columns, digits=4)


def _landscapes(rows: Sequence[Row]) -> Iterable[str]:
    mine = [row for row in rows if row["table"].startswith("synthetic/")]
    for table in sorted({row["table"] for row in mine}):
        chosen = [row for row in mine if row["table"] == table]
        yield f"## Landscape `{table.partition('/')[2]}`, {chosen[0]['num_slots']} slots: value without noise\n"
        columns: dict[str, Callable[[Row], float]] = {"value": lambda selection: selection["test"]}
        if table.endswith("/options"):
            columns["the option"] = lambda selection: float(selection["is_best_family"])
        yield _table(chosen, columns, digits=3)


def _table(
    rows: Sequence[Row], columns: Mapping[str, Callable[[Row], float]], digits: int, ascending: bool = False
) -> str:
    """Returns a table of contenders by budgets, ordered by the last budget's first column."""
    budgets = sorted({selection["budget"] for row in rows for selection in row["selections"]})
    head = [f"{name} at {budget:g}" for budget in budgets for name in columns]
    lines = []
    for contender in dict.fromkeys(row["contender"] for row in rows):
        searches = [row["selections"] for row in rows if row["contender"] == contender]
        by_budget = [[s for each in searches for s in each if s["budget"] == budget] for budget in budgets]
        cells = [_mean([read(s) for s in chosen], digits) for chosen in by_budget for read in columns.values()]
        key = _finite_mean([columns[next(iter(columns))](s) for s in by_budget[-1]])
        lines.append((key if ascending else -key, f"| {contender} | {len(searches)} | " + " | ".join(cells) + " |"))
    body = [line for _, line in sorted(lines)]
    return "\n".join(["| contender | searches | " + " | ".join(head) + " |", "|---" * (len(head) + 2) + "|", *body, ""])


def _mean(values: Sequence[float], digits: int) -> str:
    values = [value for value in values if not math.isnan(value)]
    if not values:
        return "-"
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{statistics.fmean(values):.{digits}f} ({error:.{digits}f})"


def _finite_mean(values: Sequence[float]) -> float:
    values = [value for value in values if not math.isnan(value)]
    return statistics.fmean(values) if values else 0.0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
