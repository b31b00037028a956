"""Successive halving at shares of the run, among trials of one architecture."""

import math
from collections.abc import Sequence

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

__all__ = ["ArchitectureHalvingPruner"]


class ArchitectureHalvingPruner(BasePruner):
    """Stops what is not among the best of its architecture at a ninth and at a third of the run.

    Asynchronous successive halving (Li et al. 2018) with rungs counted from the end of the run: at `max_resource` /
    `reduction_factor`, over its square, and so on. An architecture that learns slowly at first is held against its
    like. The first of an architecture at a rung goes on: one full training shows what its kind comes to. Where all
    trials are of one architecture, nobody passes the first rung for coming early: one in `reduction_factor` goes on,
    and none as long as there are fewer.

    In plain Optuna it is a pruner like any other: `create_study(pruner=ArchitectureHalvingPruner(max_resource=27))`.

    Args:
        max_resource: Epochs of a trial that is not stopped.
        reduction_factor: One of so many goes on at each rung.
        num_rungs: Rungs below the end of the run.
        families: Names of the parameters whose values make an architecture; none, or null, hold each trial against all.

    Attributes:
        rungs: The epochs at which trials are judged.

    Raises:
        ValueError: `max_resource` or `num_rungs` is below 1, `reduction_factor` below 2, `families` no list.
    """

    def __init__(
        self, *, max_resource: int, reduction_factor: int = 3, num_rungs: int = 2, families: Sequence[str] | None = None
    ) -> None:
        for name, value, least in (
            ("max_resource", max_resource, 1),
            ("reduction_factor", reduction_factor, 2),
            ("num_rungs", num_rungs, 1),
        ):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name}: got {value!r}; it takes a whole number from {least}.")
        if isinstance(families, str):
            raise ValueError(f"families: got {families!r}; it takes a list of names.")
        self._reduction_factor = reduction_factor
        shares = (max_resource / reduction_factor**k for k in range(1, num_rungs + 1))
        self.rungs = sorted({round(epoch) for epoch in shares if 1 <= round(epoch) < max_resource})
        self._families = tuple(families or ())

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether a trial that has just reported a rung's epoch is not among the best there."""
        epoch = trial.last_step
        if epoch is None or epoch not in self.rungs:
            return False
        value = trial.intermediate_values[epoch]
        if math.isnan(value):
            return True
        sign = 1.0 if study.direction is StudyDirection.MAXIMIZE else -1.0
        family = self._family(trial)
        values = [
            sign * each.intermediate_values[epoch]
            for each in study.get_trials(deepcopy=False)
            if epoch in each.intermediate_values and self._family(each) == family
        ]
        rivals = sorted((each for each in values if not math.isnan(each)), reverse=True)
        places = max(len(rivals) // self._reduction_factor, 1 if self._families or epoch > self.rungs[0] else 0)
        return places == 0 or sign * value < rivals[places - 1]

    def _family(self, trial: FrozenTrial) -> tuple[object, ...]:
        return tuple(trial.params.get(name) for name in self._families)
