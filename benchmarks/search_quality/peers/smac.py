"""SMAC's multi-fidelity facade, driven by ask and tell.

`MultiFidelityFacade` (a random forest on Hyperband's results) as in SMAC's example "Multi-Layer Perceptron Using
Multiple Epochs": `min_budget=1`, `max_budget` the epochs of a full training, five random configs first, an intensifier
whose incumbent is that of the highest budget, a budget rounded up to whole epochs; all else at its default. SMAC asks
for a config at a budget; one that was asked for before goes on up to the new budget. It has no reports below the
budget.

SMAC minimizes: the cost is the negated value, which its log-scaled encoder treats like `1 - accuracy`. A trial that
diverged is told as crashed with the highest cost seen: the default cost of a crash is infinite, and not for its model.

A seed gives the same search again only under the same PYTHONHASHSEED.
"""

import math
import tempfile
import warnings
from pathlib import Path
from typing import Any

import joblib
from smac import MultiFidelityFacade, Scenario
from smac.intensifier.hyperband import Hyperband
from smac.runhistory import StatusType, TrialInfo, TrialValue

from benchmarks.search_quality.peers.spaces import Dimension, flatten_space, to_configspace
from benchmarks.search_quality.simulate import Searcher, Table

__all__ = ["make"]

_NUM_TRIALS = 500  # the example's; ask and tell does not end there
_NUM_RANDOM = 5


class _SMACSearcher:
    def __init__(self, table: Table, seed: int) -> None:
        self._dimensions = flatten_space(table.space)
        # SMAC writes its state here unless it is told not to.
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            to_configspace(self._dimensions, seed),
            output_directory=Path(self._folder.name),
            n_trials=_NUM_TRIALS,
            min_budget=1,
            max_budget=table.num_epochs,
            seed=seed,
        )
        self._smac = MultiFidelityFacade(
            scenario,
            initial_design=MultiFidelityFacade.get_initial_design(scenario, n_configs=_NUM_RANDOM),
            intensifier=Hyperband(scenario, incumbent_selection="highest_budget"),
            logging_level=False,
            overwrite=True,
        )
        self._keys: dict[Any, int] = {}
        self._running: dict[int, TrialInfo] = {}
        self._worst_cost = -math.inf

    def ask(self) -> tuple[int, dict[str, Any]]:
        """Returns the next config, a new one or one that goes on."""
        # In the forest's threads, two thirds of the time is spent on waiting.
        with joblib.parallel_config("sequential"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's
            info = self._smac.ask()
        key = self._keys.setdefault(info.config, len(self._keys))
        self._running[key] = info
        return key, _to_params(self._dimensions, info.config)

    def report(self, key: int, epoch: int, value: float) -> bool:
        """Tells SMAC what a config is worth when its budget is spent."""
        info = self._running[key]
        if value != value:
            cost = self._worst_cost if math.isfinite(self._worst_cost) else 0.0
            crashed = TrialValue(cost=cost, status=StatusType.CRASHED)
            self._smac.tell(self._running.pop(key), crashed, save=False)
            return False
        assert info.budget is not None
        if epoch < math.ceil(info.budget - 1e-6):  # 27 * 3**-2 may come out above 3
            return True
        self._worst_cost = max(self._worst_cost, -value)
        self._smac.tell(self._running.pop(key), TrialValue(cost=-value), save=False)
        return False


def _to_params(dimensions: list[Dimension], config: Any) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for each in dimensions:
        if each.name not in config:
            continue
        value = config[each.name]
        if each.kind == "choice":
            params[each.name] = next(choice for choice in each.choices if choice == value)
        else:
            params[each.name] = int(value) if each.kind == "int" else float(value)
    return params


def make(name: str, table: Table, seed: int) -> Searcher:
    """Returns the searcher; by ask and tell, SMAC is not told how many slots there are."""
    assert name == "SMAC multi-fidelity"
    return _SMACSearcher(table, seed)
