"""Whether a sampler finds an option that is the best one only when dimensions of its own are tuned.

    python benchmarks/conditional_sampling.py [FILE.md]

A synthetic objective over a conditional space, through the ledger, without Ray and without training: `tuned` is worse
than `plain` at most values of its own dimensions and better than all where they are right. The table has the share of
trials that each option got in each quarter of a search, and the best value found; means over the seeds. No GPU; some
minutes on 2 cores. Two cases: one own dimension, and two that must suit each other.

- random: each option gets a fourth of the trials.
- TPE: `multivariate` without `group`, which models the dimensions that all trials have together, the others singly.
- TPE, group: `search/sampler=tpe`, which models the dimensions of each branch together.

Expect TPE to give `tuned` most of the last quarter in the first case, and both kinds of TPE to be alike: with one own
dimension they ask the same; with two, `group` was no better in 100 trials.
"""

import math
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf

from sesemi_search.atomic import write_text
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

__all__ = ["GOOD", "NUM_TRIALS", "OPTIONS", "search_options"]

SEEDS, NUM_TRIALS = range(10), 100
OPTIONS = ("plain", "wide", "deep", "tuned")
GOOD = "tuned"
_CONFIGS = Path(__file__).parents[1] / "configs" / "search"
NO_PRUNER = {"_target_": "optuna.pruners.NopPruner"}


def shipped(sampler: str, **changes: Any) -> dict[str, Any]:
    """Returns a sampler's node as we ship it, with changes."""
    node: dict[str, Any] = OmegaConf.to_container(OmegaConf.load(_CONFIGS / "sampler" / f"{sampler}.yaml"))  # type: ignore[assignment]
    return node | changes


SAMPLERS = {"random": shipped("random"), "TPE": shipped("tpe", group=False), "TPE, group": shipped("tpe")}


def make_space(num_own: int) -> Space:
    """Returns a space of four options, of which `tuned` has one or two dimensions of its own."""
    own = {name: {"float": [0.01, 100], "log": True} for name in ("scale", "margin")[:num_own]}
    options = {name: {"_target_": f"heads.{name}"} | (own if name == GOOD else {}) for name in OPTIONS}
    return Space(parse_space({"lr": {"float": [1e-4, 1.0], "log": True}, "head": {"choice": options}}))


def objective(params: Mapping[str, Any]) -> float:
    """Returns a value, larger being better: at most 0.95 with `tuned`, 0.80 with any other option."""
    rate = 0.05 * abs(math.log10(params["lr"]) + 2)
    if params["head"] != GOOD:
        return {"plain": 0.80, "wide": 0.78, "deep": 0.76}[params["head"]] - rate
    scale = math.log10(params[f"head.{GOOD}.scale"])
    off = (scale - 1.2) / 0.4
    if f"head.{GOOD}.margin" in params:  # a ridge: the product must be right, the quotient nearly so
        margin = math.log10(params[f"head.{GOOD}.margin"])
        off = math.hypot((scale + margin) / 0.7, (scale - margin - 1) / 1.5)
    return 0.50 + 0.45 * math.exp(-(off**2) / 2) - rate


def search_options(
    sampler: Mapping[str, Any], seed: int, num_trials: int = NUM_TRIALS, num_own: int = 1
) -> tuple[list[str], float]:
    """Searches; returns the option of each trial in order, and the best value."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger.create(
            Path(folder),
            "options",
            make_space(num_own),
            sampler=sampler,
            pruner=NO_PRUNER,
            seed=seed,
            objectives=Objectives((Objective("value", True),)),
        )
        for _ in range(num_trials):
            record = ledger.ask()
            ledger.report(record.number, 1, objective(record.params), {})
            ledger.tell(record.number, Outcome.complete)
        best = ledger.best()
        assert best is not None and best.value is not None
        return [record.params["head"] for record in ledger.records()], best.value


def measure(name: str, num_own: int) -> list[str]:
    """Returns a sampler's rows of the table: the shares of each option by quarter."""
    searches = [search_options(SAMPLERS[name], seed, num_own=num_own) for seed in SEEDS]
    best = statistics.mean(value for _, value in searches)
    length = NUM_TRIALS // 4
    rows = []
    for option in OPTIONS:
        shares = [
            statistics.mean(heads[quarter * length :][:length].count(option) / length for heads, _ in searches)
            for quarter in range(4)
        ]
        found = f"{best:.3f}" if option == GOOD else ""
        rows.append(f"| {name} | {option} | " + " | ".join(f"{share:.0%}" for share in shares) + f" | {found} |")
    return rows


def main() -> None:
    """Prints the tables, and writes them to a file where one is given."""
    lines = [
        "# Is an option found whose own dimensions matter?",
        "",
        f"`python benchmarks/conditional_sampling.py`: {NUM_TRIALS} trials, means over {len(SEEDS)} seeds; Optuna "
        f"{optuna.__version__}, Python {platform.python_version()}, {platform.machine()}.",
        f"`{GOOD}` is the best option (0.95) where its own dimensions are right, else the worst; chance is 25%.",
    ]
    for num_own, title in ((1, "One dimension of its own"), (2, "Two, which must suit each other")):
        lines += ["", f"## {title}", "", "| sampler | option | first quarter | second | third | last | best value |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for name in SAMPLERS:
            lines += measure(name, num_own)
    text = "\n".join(lines) + "\n"
    print(text)
    if len(sys.argv) > 1:
        write_text(Path(sys.argv[1]), text)


if __name__ == "__main__":
    main()
