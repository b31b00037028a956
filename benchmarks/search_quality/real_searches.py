"""The old default against the new one in real searches, at equal epochs.

    python benchmarks/search_quality/real_searches.py OUT.jsonl --spaces lenet_cosine heads backbones --seeds 5

Each space is searched with `tpe` and `asha` and with the default, as many trials as it says, each seed by both. Then
the epochs are counted in the order in which they ended, and what each had selected when the shorter of the two was over
is trained again and scored on test. CPU; half an hour on 2 cores for three spaces and five seeds.
"""

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

__all__: list[str] = []

_SIDES = {"tpe+asha": ("search/sampler=tpe", "search/pruner=asha"), "default": ()}
_PROJECT = Path(__file__).parents[2] / "experiments"
_TEST = re.compile(r"test/top1\s+([\d.]+)")


class Search(NamedTuple):
    """A search that has ended: its directory, and its trials in the order in which they ended."""

    directory: Path
    trials: list[FrozenTrial]

    @property
    def num_epochs(self) -> int:
        """Epochs that it trained."""
        return sum(len(trial.intermediate_values) for trial in self.trials)

    def select(self, num_epochs: int) -> FrozenTrial | None:
        """Returns the best complete trial of those that ended within so many epochs."""
        spent, best = 0, None
        for trial in self.trials:
            spent += len(trial.intermediate_values)
            if spent > num_epochs:
                break
            if trial.state is TrialState.COMPLETE and (best is None or trial.value > best.value):
                best = trial
        return best


def cli(*argv: str) -> str:
    """Runs the program; returns what it printed."""
    command = [sys.executable, "-m", "sesemi_search", *argv]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=_PROJECT).stdout


def search(space: str, seed: int, overrides: Sequence[str], directory: Path) -> Search:
    """Searches a space."""
    cli("run", f"space={space}", f"search.seed={seed}", "tracking=none", f"search.dir={directory}", *overrides)
    backend = optuna.storages.journal.JournalFileBackend(str(directory / "study.journal"))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    ended = [trial for trial in study.trials if trial.datetime_complete is not None]
    return Search(directory, sorted(ended, key=lambda trial: trial.datetime_complete))


def score(found: Search, trial: FrozenTrial, folder: Path) -> float:
    """Trains a trial's config once more; returns its accuracy on test."""
    config_dir = found.directory / "trials" / f"{trial.number:04d}"
    printed = cli(
        "train", "--config-dir", str(config_dir), "--config-name", "config", "tracking=none", f"run.dir={folder}",
        "run.test_checkpoint=last",
    )  # fmt: skip
    match = _TEST.search(printed)
    assert match is not None, printed
    return float(match[1])


def compare(space: str, seed: int) -> list[dict[str, Any]]:
    """Searches a space with both sides; returns a line for each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {side: search(space, seed, overrides, folder / side) for side, overrides in _SIDES.items()}
        budget = min(each.num_epochs for each in found.values())
        rows = []
        for side, each in found.items():
            trial = each.select(budget)
            test = math.nan if trial is None else score(each, trial, folder / f"final-{side}")
            val = math.nan if trial is None else trial.value
            row = {"space": space, "seed": seed, "side": side, "budget_epochs": budget, "val": val, "test": test}
            last = each.select(each.num_epochs)
            rows.append(row | {"all_epochs": each.num_epochs, "val_of_all": last.value if last else math.nan})
        return rows


def main() -> None:
    """Appends to a file what is not in it yet, and prints the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--spaces", nargs="+", default=["lenet_cosine", "heads", "backbones"])
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.exists() else []
    for seed in range(args.seeds):
        for space in args.spaces:
            if any(row["space"] == space and row["seed"] == seed for row in rows):
                continue
            new = compare(space, seed)
            rows += new
            with args.out.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in new)
    for space in args.spaces:
        for side in _SIDES:
            mine = [row for row in rows if row["space"] == space and row["side"] == side]
            columns = [
                f"{name} {statistics.fmean(values):.4f} ({statistics.stdev(values) / math.sqrt(len(values)):.4f})"
                for name in ("val", "test", "budget_epochs", "all_epochs", "val_of_all")
                if len(values := [row[name] for row in mine if not math.isnan(row[name])]) > 1
            ]
            print(f"{space:14s} {side:10s} {len(mine)} searches", *columns)


if __name__ == "__main__":
    main()
