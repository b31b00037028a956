"""The plain tree of a space as a flat list of dimensions, and those as each peer's own space.

A dimension is named as in a sample of the space: by its path, and below a choice of options by the option as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Dimension", "active_values", "flatten_space", "suggest_values", "to_configspace", "to_syne_tune"]


@dataclass(frozen=True)
class Dimension:
    """One parameter.

    Attributes:
        name: Its name in a sample.
        kind: `float`, `int` or `choice`.
        low: Smallest value of a number.
        high: Largest value of a number.
        log: Whether a number is searched in the logarithm.
        choices: The values of a choice.
        parent: The choice below which it is and the option that it needs, None where it is always there.
    """

    name: str
    kind: str
    low: Any = None
    high: Any = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    parent: tuple[str, Any] | None = None


def flatten_space(space: Mapping[str, Any]) -> list[Dimension]:
    """Returns the dimensions of a space, each after the one that it depends on."""
    return list(_flatten(space, "", None))


def active_values(dimensions: Sequence[Dimension], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values that a sample has: those whose parent is there and has their option."""
    active: dict[str, Any] = {}
    for each in dimensions:
        if each.parent is None or (each.parent[0] in active and active[each.parent[0]] == each.parent[1]):
            active[each.name] = values[each.name]
    return active


def suggest_values(dimensions: Sequence[Dimension], trial: Any) -> dict[str, Any]:
    """Samples from a trial of Optuna, define-by-run: an option's own dimensions only where it was drawn."""
    values: dict[str, Any] = {}
    for each in dimensions:
        if each.parent is not None and values.get(each.parent[0], _ABSENT) != each.parent[1]:
            continue
        if each.kind == "choice":
            values[each.name] = trial.suggest_categorical(each.name, each.choices)
        elif each.kind == "int":
            values[each.name] = trial.suggest_int(each.name, each.low, each.high, log=each.log)
        else:
            values[each.name] = trial.suggest_float(each.name, each.low, each.high, log=each.log)
    return values


def to_syne_tune(dimensions: Sequence[Dimension]) -> dict[str, Any]:
    """Returns a space of Syne Tune, which has no conditions: every dimension is there at all times."""
    from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform

    space: dict[str, Any] = {}
    for each in dimensions:
        if each.kind == "choice":
            space[each.name] = choice(list(each.choices))
        elif each.kind == "int":
            space[each.name] = (lograndint if each.log else randint)(each.low, each.high)
        else:
            space[each.name] = (loguniform if each.log else uniform)(each.low, each.high)
    return space


def to_configspace(dimensions: Sequence[Dimension], seed: int) -> Any:
    """Returns a ConfigurationSpace, an option's own dimensions under the condition that it was drawn."""
    from ConfigSpace import (
        CategoricalHyperparameter,
        ConfigurationSpace,
        EqualsCondition,
        UniformFloatHyperparameter,
        UniformIntegerHyperparameter,
    )

    space = ConfigurationSpace(seed=seed)
    for each in dimensions:
        if each.kind == "choice":
            space.add(CategoricalHyperparameter(each.name, list(each.choices)))
        else:
            number = UniformIntegerHyperparameter if each.kind == "int" else UniformFloatHyperparameter
            space.add(number(each.name, each.low, each.high, log=each.log))
    for each in dimensions:
        if each.parent is not None:
            space.add(EqualsCondition(space[each.name], space[each.parent[0]], each.parent[1]))
    return space


_ABSENT = object()


def _flatten(tree: Mapping[str, Any], prefix: str, parent: tuple[str, Any] | None) -> Iterator[Dimension]:
    for key, node in tree.items():
        if not isinstance(node, Mapping):
            continue  # a constant, such as _target_
        name = f"{prefix}{key}"
        if "choice" in node:
            yield Dimension(name, "choice", choices=tuple(node["choice"]), parent=parent)
            if isinstance(node["choice"], Mapping):
                for option, fragment in node["choice"].items():
                    yield from _flatten(fragment, f"{name}.{option}.", (name, option))
        elif "float" in node or "int" in node:
            if "step" in node:
                raise NotImplementedError(f"{name}: got {node!r}; no table of the comparison has steps.")
            kind = "int" if "int" in node else "float"
            low, high = node[kind]
            yield Dimension(name, kind, low, high, bool(node.get("log", False)), parent=parent)
        else:
            yield from _flatten(node, f"{name}.", parent)
