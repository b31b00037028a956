"""Pruners: one of our own, and how any is built from its `_target_` node.

Ours, successive halving at shares of the run, among trials of one architecture, reads the study and keeps nothing, like
every pruner here.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from sesemi_search.config.targets import accepted_arguments, instantiate, locate
from sesemi_search.errors import ConfigError, suggest
from sesemi_search.search.ledger.records import Bar
from sesemi_search.space.domains import Choice, Options
from sesemi_search.space.space import Space

__all__ = ["ArchitectureHalvingPruner", "build_pruner"]

_MODEL = "learner.hparams.model."
_BACKBONE = f"{_MODEL}backbone"


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
        bar = self.bar(study, trial)
        if bar is None:
            return False
        value = trial.intermediate_values[bar.epoch]
        if math.isnan(value) or bar.value is None:
            return True
        return value < bar.value if study.direction is StudyDirection.MAXIMIZE else value > bar.value

    def bar(self, study: Study, trial: FrozenTrial) -> Bar | None:
        """Returns what a trial that has just reported has to reach; None where its epoch is no rung."""
        epoch = trial.last_step
        if epoch is None or epoch not in self.rungs:
            return None
        sign = 1.0 if study.direction is StudyDirection.MAXIMIZE else -1.0
        family = self._family(trial)
        values = [
            sign * each.intermediate_values[epoch]
            for each in study.get_trials(deepcopy=False)
            if epoch in each.intermediate_values and self._family(each) == family
        ]
        rivals = sorted((each for each in values if not math.isnan(each)), reverse=True)
        places = max(len(rivals) // self._reduction_factor, 1 if self._families or epoch > self.rungs[0] else 0)
        return Bar(epoch, sign * rivals[places - 1] if places and rivals else None, places, len(rivals))

    def _family(self, trial: FrozenTrial) -> tuple[object, ...]:
        return tuple(trial.params.get(name) for name in self._families)


def build_pruner(node: Mapping[str, Any], space: Space | None = None) -> BasePruner:
    """Returns the pruner; it reads the study and keeps nothing.

    One that judges by family and is given none has those of the space, where there is one.
    """
    accepted = accepted_arguments(locate(node.get("_target_"), "search.pruner")) or ()
    supplied: dict[str, Any] = {}
    if space is not None and "families" in accepted:
        named = node.get("families")
        supplied["families"] = _architecture_choices(space) if named is None else _resolve_names(named, space)
    pruner: BasePruner = instantiate({**node, **supplied}, "search.pruner")
    return pruner


def _architecture_choices(space: Space) -> list[str]:
    """Returns the choices that make an architecture: between backbones, or else between heads and other parts.

    A choice between backbones is one at the backbone, at a node that it lies in, or of its `name`.
    """
    options = [d.name for d in space.dimensions if isinstance(d.domain, Options) and not d.condition]
    names = [d.name for d in space.dimensions if isinstance(d.domain, Choice) and d.name == f"{_BACKBONE}.name"]
    backbones = [name for name in options if f"{_BACKBONE}.".startswith(f"{name}.")]
    return backbones + names or [name for name in options if name.startswith(_MODEL)]


def _resolve_names(names: object, space: Space) -> object:
    """Returns the full names of parameters that may be named by their short ones."""
    if isinstance(names, str) or not isinstance(names, Sequence):
        return names
    full = {short: name for name, short in space.short_names.items()}
    for name in names:
        if name not in full and name not in space.short_names:
            near = suggest(str(name), list(full))
            raise ConfigError("search.pruner.families", f"got {name!r}, which is no parameter of the space.{near}")
    return [full.get(name, name) for name in names]
