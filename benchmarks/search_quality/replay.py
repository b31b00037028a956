"""Replays tables through searchers, and appends what each search selects to a file of JSON lines.

    python -m benchmarks.search_quality.replay OUT.jsonl --contenders random ours --lcbench DIR --slots 1 2 8 64

A search whose line is in the file already is not run again, so an interrupted replay goes on, and several environments
write into one file one after another.
"""

import argparse
import importlib
import json
import os
from collections.abc import Iterator, Sequence
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before NumPy reads them
    os.environ.setdefault(_name, "1")

from benchmarks.search_quality.simulate import Searcher, Table, simulate  # noqa: E402

__all__ = ["BUDGETS", "CONTENDERS", "Search", "main", "replay"]

BUDGETS = (5, 10, 20, 40)  # full trainings
_MODULES = "benchmarks.search_quality"
# Who takes part, and the module that has a function `make(name, table, seed)` for it.
CONTENDERS: dict[str, str] = {}
for _module, _names in {
    "contenders": (
        "default", "curves", "tpe+asha", "tpe+late", "tpe", "random", "random+asha", "random+late",
    ),
    "peers.optuna_documented": ("Optuna TPE+Median", "Optuna TPE+Hyperband"),
    "peers.ray_documented": ("Ray OptunaSearch+ASHA",),
    "peers.syne_tune": ("Syne Tune ASHA", "Syne Tune BOHB", "Syne Tune MOBSTER"),
    "peers.smac": ("SMAC multi-fidelity",),
    "peers.neps": ("NePS Hyperband", "NePS PriorBand"),
}.items():  # fmt: skip
    CONTENDERS |= {_each: f"{_MODULES}.{_module}" for _each in _names}


class Search(NamedTuple):
    """One search of the replay.

    Attributes:
        table: `lcbench/<instance>`, `synthetic/<name>`, or the path of a file of curves.
        contender: A name of `CONTENDERS`.
        num_slots: Trials at once.
        seed: The searcher's.
        budgets: In full trainings.
    """

    table: str
    contender: str
    num_slots: int
    seed: int
    budgets: tuple[float, ...]


@cache
def open_table(name: str, lcbench: Path | None) -> Table:
    """Returns a table by its name."""
    kind, _, rest = name.partition("/")
    if kind == "lcbench":
        from benchmarks.search_quality.lcbench import LCBench

        assert lcbench is not None, "--lcbench DIR says where the surrogate is"
        return LCBench(lcbench, rest)
    if kind == "synthetic":
        from benchmarks.search_quality.synthetic import LANDSCAPES

        return LANDSCAPES[rest]
    from benchmarks.search_quality.recorded import RecordedCurves

    return RecordedCurves(Path(name))


def make_searcher(search: Search, table: Table) -> Searcher:
    """Returns a contender, ready to search a table."""
    searcher: Searcher = importlib.import_module(CONTENDERS[search.contender]).make(
        search.contender, table, search.seed
    )
    return searcher


def replay(search: Search, lcbench: Path | None) -> dict[str, Any]:
    """Runs a search and returns its line: what it was, and by budget what it selects."""
    table: Any = open_table(search.table, lcbench)
    selections = simulate(table, make_searcher(search, table), search.num_slots, search.budgets)
    rows = []
    for budget, selected in zip(search.budgets, selections, strict=True):
        row: dict[str, Any] = {
            "budget": budget,
            "val": selected.val,
            "test": selected.test,
            "num_trials": selected.num_trials,
            "num_complete": selected.num_complete,
        }
        if hasattr(table, "regret"):
            row["regret"] = table.regret(selected.val)
        if hasattr(table, "family"):
            row["is_best_family"] = bool(selected.params) and table.family(selected.params) == table.best_family
        rows.append(row)
    key = search._asdict() | {"table": table.name}
    del key["budgets"]
    return key | {"selections": rows}


def _run(task: tuple[Search, Path | None]) -> dict[str, Any]:
    return replay(*task)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the searches that are not in the file yet."""
    args = _parse(argv)
    done = set()
    if args.out.exists():
        for line in args.out.read_text().splitlines():
            row = json.loads(line)
            done.add((row["table"], row["contender"], row["num_slots"], row["seed"]))
    tasks = [
        (search, args.lcbench)
        for search in _plan(args)
        if (open_table(search.table, args.lcbench).name, search.contender, search.num_slots, search.seed) not in done
    ]
    with args.out.open("a") as out, get_context("spawn").Pool(args.processes) as pool:
        for row in pool.imap_unordered(_run, tasks):
            out.write(json.dumps(row) + "\n")
            out.flush()


def _plan(args: argparse.Namespace) -> Iterator[Search]:
    tables = [f"synthetic/{name}" for name in args.synthetic] + [str(path) for path in args.curves]
    if args.lcbench is not None:
        from benchmarks.search_quality.lcbench import read_instances

        choose, report = read_instances(args.lcbench)
        tables += [f"lcbench/{name}" for name in (report if args.instances == "report" else choose)]
    for seed in range(args.seeds):
        for slots in args.slots:
            for contender in args.contenders:
                for table in tables:
                    yield Search(table, contender, slots, seed, tuple(args.budgets))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--contenders", nargs="+", required=True, choices=sorted(CONTENDERS), metavar="NAME")
    parser.add_argument("--lcbench", type=Path, help="folder of the LCBench surrogate")
    parser.add_argument("--instances", choices=("choose", "report"), default="choose", help="even or odd places")
    parser.add_argument("--curves", nargs="*", type=Path, default=[], help="files of recorded curves")
    parser.add_argument("--synthetic", nargs="*", default=[], help="names of synthetic landscapes")
    parser.add_argument("--slots", nargs="+", type=int, default=[2])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budgets", nargs="+", type=float, default=[5, 10, 20])
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
