"""The searchers of the comparison that need no package but those of `sesemi-search`.

Ours go through the ledger, with sampler and pruner from the YAML that is shipped, as a real search does: the same asks,
reports, verdicts and tells, on a study in memory.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf

from benchmarks.search_quality.simulate import Searcher, Table
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.pruners import build_pruner
from sesemi_search.space.domains import Options
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

__all__ = ["LedgerSearcher", "make", "shipped"]

_CONFIGS = Path(__file__).parents[2] / "configs" / "search"
_OBJECTIVES = Objectives((Objective("val/top1", True),))


def shipped(group: str, name: str, num_epochs: int, **changes: Any) -> dict[str, Any]:
    """Returns a sampler's or a pruner's node as a search has it, with changes."""
    config = OmegaConf.create(
        {"run": {"num_epochs": num_epochs}, "node": OmegaConf.load(_CONFIGS / group / f"{name}.yaml")}
    )
    node: dict[str, Any] = OmegaConf.to_container(config, resolve=True)["node"]  # type: ignore[index, call-overload, assignment]
    return node | changes


class LedgerSearcher:
    """A search as `sesemi-search run` does it.

    Args:
        table: What is searched.
        sampler: A sampler's node.
        pruner: A pruner's node.
        seed: `search.seed`.
    """

    def __init__(self, table: Table, sampler: Mapping[str, Any], pruner: Mapping[str, Any], seed: int) -> None:
        self._num_epochs = table.num_epochs
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        space = Space(parse_space(table.space))
        if "families" in pruner:  # a table has no backbone and no head to know them by
            families = [d.name for d in space.dimensions if isinstance(d.domain, Options)]
            pruner = {**pruner, "families": families}
        study = optuna.create_study(direction="maximize", pruner=build_pruner(pruner, space))
        self._ledger = Ledger(study, space, _OBJECTIVES, sampler, seed)

    def ask(self) -> tuple[int, Mapping[str, Any]]:
        """Returns the next trial."""
        record = self._ledger.ask()
        return record.number, record.params

    def report(self, key: int, epoch: int, value: float) -> bool:
        """Records an epoch, and how the trial ended."""
        self._ledger.report(key, epoch, value, {})
        if value != value:
            self._ledger.tell(key, Outcome.diverged)
            return False
        if epoch == self._num_epochs:
            self._ledger.tell(key, Outcome.complete)
            return False
        if self._ledger.should_prune(key, epoch):
            self._ledger.tell(key, Outcome.stopped)
            return False
        return True


def make(name: str, table: Table, seed: int) -> Searcher:
    """Returns a contender by its name."""
    epochs = table.num_epochs
    parts = {
        "default": ("learning_curves", "late_halving"),
        "curves": ("learning_curves", "none"),
        "tpe+asha": ("tpe", "asha"),
        "tpe+late": ("tpe", "late_halving"),
        "random+late": ("random", "late_halving"),
        "tpe": ("tpe", "none"),
        "random": ("random", "none"),
        "random+asha": ("random", "asha"),
    }[name]
    sampler, pruner = shipped("sampler", parts[0], epochs), shipped("pruner", parts[1], epochs)
    return LedgerSearcher(table, sampler, pruner, seed)
