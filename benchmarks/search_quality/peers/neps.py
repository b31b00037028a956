"""NePS's Hyperband and PriorBand, driven by its ask and tell.

`neps.algorithms.hyperband` and `priorband` under `AskAndTell`, all at their defaults (`eta=3`, no Bayesian optimization
in PriorBand), with `IntegerFidelity(1, epochs of a full training)`. NePS asks for a config at a fidelity; one that is
promoted goes on up to the new one. It minimizes, hence the negated value; a trial that diverged is told as an
exception.

Nobody has an expert's prior for these tables, so PriorBand's is the middle of each range and of each list of choices,
at the least confidence, "low": what it makes of that is no measure of it with a good prior. The
space has no conditions, so the dimensions of options that were not drawn are sampled and ignored. NePS draws from the
global generators of random, NumPy and PyTorch, which are seeded here.
"""

import logging
import random
from typing import Any

import neps
import numpy as np
import torch

from benchmarks.search_quality.peers.spaces import Dimension, active_values, flatten_space
from benchmarks.search_quality.simulate import Searcher, Table

__all__ = ["make"]

_FIDELITY = "epochs"


class _NePSSearcher:
    def __init__(self, table: Table, algorithm: Any, has_prior: bool, seed: int) -> None:
        logging.getLogger("neps").setLevel(logging.ERROR)
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self._dimensions = flatten_space(table.space)
        domains = {f"x{i}": _to_domain(each, has_prior) for i, each in enumerate(self._dimensions)}
        domains[_FIDELITY] = neps.IntegerFidelity(lower=1, upper=table.num_epochs)
        space = type("Space", (neps.PipelineSpace,), domains)()
        self._optimizer = neps.AskAndTell(algorithm(space))
        self._running: dict[int, Any] = {}

    def ask(self) -> tuple[int, dict[str, Any]]:
        """Returns the next config, a new one or one that goes on."""
        trial = self._optimizer.ask()
        key = int(trial.id.split("_")[0])  # <config>_rung_<rung>
        self._running[key] = trial
        values = {each.name: _to_value(each, trial.config[f"x{i}"]) for i, each in enumerate(self._dimensions)}
        return key, active_values(self._dimensions, values)

    def report(self, key: int, epoch: int, value: float) -> bool:
        """Tells NePS what a config is worth at its fidelity."""
        trial = self._running[key]
        if value == value and epoch < trial.config[_FIDELITY]:
            return True
        self._optimizer.tell(self._running.pop(key), -value if value == value else ArithmeticError("diverged"))
        return False


def _to_domain(dimension: Dimension, has_prior: bool) -> Any:
    prior: dict[str, Any] = {}
    if dimension.kind == "choice":
        places = tuple(range(len(dimension.choices)))
        if has_prior:
            prior = {"prior": len(places) // 2, "prior_confidence": "low"}
        return neps.Categorical(places, **prior)
    if has_prior:
        low, high = dimension.low, dimension.high
        middle = (low * high) ** 0.5 if dimension.log else (low + high) / 2
        prior = {"prior": middle, "prior_confidence": "low"}
    if dimension.kind == "int" and not dimension.log:
        if has_prior:
            prior["prior"] = round(prior["prior"])
        return neps.Integer(dimension.low, dimension.high, **prior)
    # Of an integer in the logarithm, NePS 0.17 rounds the logarithm: of 16 to 512 it draws 16, 51, 161 and 512 only.
    return neps.Float(dimension.low, dimension.high, log=dimension.log, **prior)


def _to_value(dimension: Dimension, value: Any) -> Any:
    if dimension.kind == "choice":
        return dimension.choices[value]
    return round(value) if dimension.kind == "int" else float(value)


def make(name: str, table: Table, seed: int) -> Searcher:
    """Returns a searcher by its name; NePS is not told how many slots there are."""
    algorithm = {"NePS Hyperband": neps.algorithms.hyperband, "NePS PriorBand": neps.algorithms.priorband}[name]
    return _NePSSearcher(table, algorithm, name == "NePS PriorBand", seed)
