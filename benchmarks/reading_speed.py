"""What it takes to read a search of 2,000 trials from a shell, interpreter and imports included.

    python -m benchmarks.reading_speed [FILE.md]

A made-up search of 2,000 trials, 18,000 epochs in all, its journal record by record as a search writes it. Each verb is
a process of its own, seven times, taking turns; seconds, the median and the least, of wall time and of a core. No GPU;
about a minute on 2 cores. Expect 1.0 to 1.3 s of each on a quiet machine: half of it is Optuna's replay of the journal,
a third the imports.
"""

import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sesemi_search.search.ledger.records import Outcome
from tests.made_up_search import make_up_search, trial

__all__ = ["measure"]

_NUM_TRIALS, _REPEATS = 2000, 7
_EPOCHS = (27, 9, 3, 3, 3)  # one in five trials is complete


def make_search(directory: Path) -> Path:
    """Writes the search."""
    draws = random.Random(0)
    records = []
    for number in range(_NUM_TRIALS):
        epochs = _EPOCHS[number % len(_EPOCHS)]
        outcome = Outcome.complete if epochs == max(_EPOCHS) else Outcome.stopped
        values = [draws.random() for _ in range(epochs)]
        records.append(trial(number, values, outcome, lr=10 ** draws.uniform(-2, 0)))
    overrides = (f"search.num_trials={_NUM_TRIALS}", f"run.num_epochs={max(_EPOCHS)}")
    return make_up_search(directory, records, *overrides, configs=False)


def measure(directory: Path) -> dict[str, list[tuple[float, float]]]:
    """Returns wall and processor seconds of each verb."""
    folder = str(directory)
    verbs = {"status": [folder], "trials": [folder], "trials --json": [folder], "list": [folder]}
    taken: dict[str, list[tuple[float, float]]] = {verb: [] for verb in verbs}
    for _ in range(_REPEATS):
        for verb, arguments in verbs.items():
            argv = [sys.executable, "-m", "sesemi_search", *verb.split(), *arguments]
            before, start = os.times(), time.perf_counter()
            subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
            wall, after = time.perf_counter() - start, os.times()
            core = after.children_user + after.children_system - before.children_user - before.children_system
            taken[verb].append((wall, core))
    return taken


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        taken = measure(make_search(Path(scratch) / "search"))
    lines = [
        f"{_NUM_TRIALS} trials; Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}",
        "",
        "| verb | wall s, median | least | core s, median | least |",
        "|---|---|---|---|---|",
    ]
    for verb, rows in taken.items():
        cells = [f"{pick(column):.2f}" for column in zip(*rows, strict=True) for pick in (statistics.median, min)]
        lines.append(f"| `{verb}` | {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)


if __name__ == "__main__":
    main()
