"""`search.constraints`: what the model of a trial may cost at most."""

from collections.abc import Iterator

from sesemi_search.config.schema import ConstraintsConfig
from sesemi_search.errors import ConfigError, Problem
from sesemi_search.preflight.architecture import Architecture
from sesemi_search.preflight.branches import Checked

__all__ = ["check_limits", "describe_limits"]


def check_limits(measured: Architecture, limits: ConstraintsConfig) -> None:
    """Sees that a model is within the limits.

    Raises:
        ConfigError: It is not; the text says by which limit, and what the model has.
    """
    for name, has, most in _limited(measured, limits):
        if has > most:
            raise ConfigError(
                f"search.constraints.{name}", f"the model has {has:,}, and at most {most:,.0f} are allowed."
            )


def describe_limits(checked: Checked, limits: ConstraintsConfig) -> list[Problem]:
    """Returns a problem where no end of a good branch is within the limits, and how near the nearest comes.

    It is no error: the smallest model may lie between the ends, as where one number makes it wider and another shrinks
    its maps. A search that finds none either ends after some draws that cost nothing.
    """
    branches = [branch for branch in checked.branches if not branch.problems]
    ends = [end.architecture for branch in branches for end in branch.ends if end.architecture is not None]
    nearest = min(ends, key=lambda each: _excess(each, limits), default=None)
    if nearest is None or _excess(nearest, limits) <= 1:
        return []
    name, _, most = max(_limited(nearest, limits), key=lambda limit: limit[1] / limit[2])
    number = f"{len(branches)} branch{'es' * (len(branches) != 1)}"
    return [
        Problem(
            f"search.constraints.{name}",
            f"got {most:,.0f}, which no model at the ends of {number} is within; the nearest "
            f"has {nearest.num_params:,} parameters and takes {nearest.flops:,} FLOPs.",
        )
    ]


def _excess(measured: Architecture, limits: ConstraintsConfig) -> float:
    """Returns by what factor a model exceeds the limits, at most 1 of one that is within them."""
    return max((has / most for _, has, most in _limited(measured, limits)), default=0.0)


def _limited(measured: Architecture, limits: ConstraintsConfig) -> Iterator[tuple[str, int, float]]:
    """Yields the limits that there are: name, what a model has, what is allowed."""
    for name, has in (("max_params", measured.num_params), ("max_flops", measured.flops)):
        most: float | None = getattr(limits, name)
        if most is not None:
            yield name, has, most
