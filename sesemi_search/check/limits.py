"""`search.constraints`: what the model of a trial may cost at most."""

from collections.abc import Iterator, Sequence

from sesemi_search.check.architecture import Architecture
from sesemi_search.config.errors import ConfigError
from sesemi_search.config.schema import ConstraintsConfig

__all__ = ["check_any_within", "check_limits"]


def check_limits(measured: Architecture, limits: ConstraintsConfig) -> None:
    """Sees that a model is within the limits.

    Raises:
        ConfigError: It is not; the text says by which limit, and what the model has.
    """
    for name, has, most in _exceeded(measured, limits):
        raise ConfigError(f"search.constraints.{name}: the model has {has:,}, and at most {most:,.0f} are allowed.")


def check_any_within(measured: Sequence[Architecture], limits: ConstraintsConfig) -> None:
    """Sees that at least one of the models at the corners of a space is within the limits.

    Raises:
        ConfigError: None is; the text says how small they get.
    """
    if not measured or any(not list(_exceeded(each, limits)) for each in measured):
        return
    smallest = min(measured, key=lambda each: (each.num_params, each.flops))
    name, has, most = next(_exceeded(smallest, limits))
    raise ConfigError(
        f"search.constraints.{name}: got {most:,.0f}, and no branch of the space has a model within the limits; the "
        f"smallest at its ends has {has:,}."
    )


def _exceeded(measured: Architecture, limits: ConstraintsConfig) -> Iterator[tuple[str, int, float]]:
    """Yields the limits that a model exceeds: name, what it has, what is allowed."""
    for name, has in (("max_params", measured.num_params), ("max_flops", measured.flops)):
        most: float | None = getattr(limits, name)
        if most is not None and has > most:
            yield name, has, most
