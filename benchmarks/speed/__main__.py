"""How fast is a search, beside what people would write instead and beside its own floor?

    make benchmark             about 20 minutes on 2 quiet cores; writes benchmarks/results/speed.md
    make benchmark QUICK=1     about 4 minutes: one round of 16 trials, nothing written

- `searches.py`: the same search by us, by Ray Tune in two styles (`peers/`) and by Optuna alone, each as one command;
  our trials once more in bare loops, the floor (`floor.py`); the passes of our models (`stamps.py`).
- `driver.py`: what a trial and an epoch cost the driver, after 100, 1,000 and 5,000 trials.
- `steps.py`: an epoch of a trial beside that of a bare loop.
- `commands.py`: `--help` and `check`.

Contenders take turns in each round. Run it where nothing else runs: the load before is in the report.
"""

import argparse
import os
from pathlib import Path

from benchmarks.speed import commands, driver, steps
from benchmarks.speed.report import Figures, make_report
from benchmarks.speed.searches import run_round

__all__: list[str] = []

_RESULT = Path(__file__).parents[1] / "results" / "speed.md"
_NUM_DRIVEN = 30  # trials of the driver that are timed
_NUM_DOCUMENTED = 12  # trials: with 48 it takes ten minutes


def main() -> None:
    """Measures everything, prints the report and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of 16 trials")
    parser.add_argument("--report", type=Path, help=f"Markdown; by default {_RESULT.name}, and none where quick")
    args = parser.parse_args()
    report = make_report(_measure(args.quick), args.quick)
    print(report)
    path = args.report or (None if args.quick else _RESULT)
    if path is not None:
        path.write_text(report)


def _measure(quick: bool) -> Figures:
    num_rounds, num_trials, num_turns = (1, 16, 3) if quick else (3, 48, 9)
    load = os.getloadavg()[0]
    rounds, others = [], []
    for number in range(num_rounds):
        others.append(commands.measure())
        is_last = number == num_rounds - 1
        rounds.append(run_round(num_trials, number, _NUM_DOCUMENTED if is_last and not quick else 0))
    sizes = {"random": (100, 1000)} if quick else {"random": (100, 1000, 5000), "learning_curves": (100, 1000, 5000)}
    costs = [driver.measure(sampler, size, _NUM_DRIVEN) for sampler, of_it in sizes.items() for size in of_it]
    return Figures(rounds, others, costs, [steps.measure(model, num_turns) for model in steps.MODELS], load)


if __name__ == "__main__":
    main()
