"""`search.constraints`: what the model of a trial may cost at most, and whether a space has a model within that."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sesemi_search.config.experiment import plain, resolve_experiment
from sesemi_search.config.schema import ConstraintsConfig
from sesemi_search.errors import ConfigError
from sesemi_search.preflight.architecture import Architecture, Architectures
from sesemi_search.preflight.branches import Branch, Checked
from sesemi_search.preflight.excluded_branches import Excluded
from sesemi_search.space.draws import RandomTrial

__all__ = ["check_any_within", "check_limits"]

# What is tried between the ends of the branches. To build a model takes up to 0.4 s, to compose its config 20 ms.
_MAX_BUILDS = 60
_MAX_CONFIGS = 200
# Most points may be of branches that are left out, which costs next to nothing to see.
_MAX_DRAWS = 50 * _MAX_CONFIGS


def check_limits(measured: Architecture, limits: ConstraintsConfig) -> None:
    """Sees that a model is within the limits.

    Raises:
        ConfigError: It is not; the text says by which limit, and what the model has.
    """
    for name, has, most in _limited(measured, limits):
        if has > most:
            raise ConfigError(f"search.constraints.{name}: the model has {has:,}, and at most {most:,.0f} are allowed.")


def check_any_within(
    checked: Checked, experiment: Mapping[str, Any], architectures: Architectures, limits: ConstraintsConfig
) -> None:
    """Sees that a space has a model within the limits: at an end of a good branch, or where one is looked for then.

    The cheapest model may be at neither end, as where one number makes it wider and another shrinks its maps. So, from
    the nearest ends on, each number is moved to its other end and stays there if that helps; then points are drawn.

    Args:
        checked: The branches.
        experiment: The experiment's config, plain and unresolved.
        architectures: What measured them.
        limits: The limits.

    Raises:
        ConfigError: No such model was found; the text says what was tried, and what the smallest found has.
    """
    branches = [branch for branch in checked.branches if not branch.problems]
    ends = [end.architecture for branch in branches for end in branch.ends if end.architecture is not None]
    if not ends:
        return
    hunt = _Hunt(
        checked,
        checked.exclude_bad(),
        experiment,
        architectures,
        limits,
        min(ends, key=lambda each: _excess(each, limits)),
    )
    if hunt.found or hunt.between_ends(branches) or hunt.at_random():
        return
    name, _, most = max(_limited(hunt.smallest, limits), key=lambda limit: limit[1] / limit[2])
    raise ConfigError(
        f"search.constraints.{name}: got {most:,.0f}, and no model within the limits was found, at the ends of "
        f"{len(branches)} branch{'es' * (len(branches) != 1)} or in {hunt.num_configs} other configs of the space; the "
        f"smallest found has {hunt.smallest.num_params:,} parameters and takes {hunt.smallest.flops:,} FLOPs."
    )


@dataclass
class _Hunt:
    """Looks for a model within the limits, and counts what that takes.

    Attributes:
        smallest: The model that exceeds the limits least, of all seen.
        num_configs: Configs composed for it, or tried to; a point that is left out is none.
        num_builds: Models built for it, or tried to.
    """

    checked: Checked
    excluded: Excluded
    experiment: Mapping[str, Any]
    architectures: Architectures
    limits: ConstraintsConfig
    smallest: Architecture
    num_configs: int = 0
    num_builds: int = 0

    @property
    def found(self) -> bool:
        """Whether there is one."""
        return _excess(self.smallest, self.limits) <= 1

    def between_ends(self, branches: list[Branch]) -> bool:
        """Mixes the two ends of each branch, the nearest first, with half of what may be tried."""
        ends = [
            (_excess(end.architecture, self.limits), branch, end)
            for branch in branches
            for end in branch.ends
            if end.architecture is not None
        ]
        for excess, branch, end in sorted(ends, key=lambda each: each[0]):
            point = dict(end.params)
            other = branch.high.params if end is branch.low else branch.low.params
            for name in [name for name in point if point[name] != other[name]]:
                if self._is_spent(0.5):
                    return False
                moved = {**point, name: other[name]}
                if (its := self._try(moved)) < excess:
                    point, excess = moved, its
                if self.found:
                    return True
        return False

    def at_random(self) -> bool:
        """Draws points, always the same ones, with the rest of it."""
        trial = RandomTrial(random.Random(0))
        for _ in range(_MAX_DRAWS):
            if self.found or self._is_spent(1):
                break
            self._try(self.checked.space.sample(trial))
        return self.found

    def _try(self, params: Mapping[str, Any]) -> float:
        """Returns by what factor a model exceeds the limits; infinity where there is none."""
        known = len(self.architectures.measured)
        try:
            self.excluded.refuse(params)
            self.num_configs += 1
            config = plain(resolve_experiment(self.checked.space.apply(self.experiment, params)))
        except ConfigError:
            return math.inf
        try:
            measured = self.architectures.measure(config)
        except ConfigError:
            self.num_builds += 1
            return math.inf
        self.num_builds += len(self.architectures.measured) - known
        excess = _excess(measured, self.limits)
        if excess < _excess(self.smallest, self.limits):
            self.smallest = measured
        return excess

    def _is_spent(self, share: float) -> bool:
        """Whether so much of what may be tried has been tried."""
        return self.num_configs >= share * _MAX_CONFIGS or self.num_builds >= share * _MAX_BUILDS


def _excess(measured: Architecture, limits: ConstraintsConfig) -> float:
    """Returns by what factor a model exceeds the limits, at most 1 of one that is within them."""
    return max((has / most for _, has, most in _limited(measured, limits)), default=0.0)


def _limited(measured: Architecture, limits: ConstraintsConfig) -> Iterator[tuple[str, int, float]]:
    """Yields the limits that there are: name, what a model has, what is allowed."""
    for name, has in (("max_params", measured.num_params), ("max_flops", measured.flops)):
        most: float | None = getattr(limits, name)
        if most is not None:
            yield name, has, most
