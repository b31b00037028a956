"""Which spaces and how many objectives a sampler can serve, known before a search starts.

Read in Optuna's source, class by class. Of a class that is not in the table nothing is known and nothing said.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from optuna import samplers

from sesemi_search.errors import Problem
from sesemi_search.search.samplers.build import is_sampler
from sesemi_search.search.samplers.cmaes import CmaEsSampler
from sesemi_search.space.domains import Choice, Options
from sesemi_search.space.size import count_configs, is_continuous
from sesemi_search.space.space import Space

__all__ = ["Serving", "check_serves"]

# They model the dimensions that all trials have, and draw those of an option at random.
_UNCONDITIONAL = (CmaEsSampler, samplers.GPSampler, samplers.NSGAIISampler, samplers.NSGAIIISampler)
# They learn nothing from a trial that the pruner stopped.
_COMPLETE_ONLY = (samplers.GPSampler, samplers.NSGAIISampler, samplers.NSGAIIISampler)
_ONE_OBJECTIVE = (CmaEsSampler,)


class Serving(NamedTuple):
    """What is wrong with a sampler for a space, and what the user should know of it."""

    problems: list[Problem]
    notes: list[str]


def check_serves(
    sampler: Mapping[str, Any], pruner: Mapping[str, Any], space: Space, num_objectives: int = 1
) -> Serving:
    """Holds a sampler against a space.

    Args:
        sampler: The node of `search.sampler`.
        pruner: The node of `search.pruner`.
        space: The space.
        num_objectives: Objectives of the search.
    """
    problems, notes = [], []
    if num_objectives > 1 and is_sampler(sampler, *_ONE_OBJECTIVE):
        problems.append(
            Problem(
                "search.sampler",
                f"{_name(sampler)} serves one objective, and this search has {num_objectives}; "
                "take search/sampler=nsgaii, gp or tpe.",
            )
        )
    if is_sampler(sampler, samplers.GridSampler):
        problems.append(
            Problem(
                "search.sampler",
                f"got {sampler['_target_']!r}, which knows no options and a grid of its own only; "
                "search/sampler=grid enumerates the space as it is written.",
            )
        )
    if is_sampler(sampler, samplers.QMCSampler) and sampler.get("scramble") is True:
        problems.append(
            Problem(
                "search.sampler.scramble",
                "got True; each trial would be of another sequence, as the sampler is built anew "
                "with another seed. search/sampler=qmc scrambles one sequence for all.",
            )
        )
    if is_sampler(sampler, samplers.BruteForceSampler):
        grid = _check_grid(space)
        problems += grid.problems
        notes += grid.notes
    part = _check_part(sampler, space)
    if pruner.get("_target_") != "optuna.pruners.NopPruner" and is_sampler(sampler, *_COMPLETE_ONLY):
        part.notes.append(
            f"search.sampler: {_name(sampler)} learns from complete trials only, not from those that the pruner stops "
            "(search/pruner=none runs all to their end)"
        )
    return Serving(problems + part.problems, notes + part.notes)


def _check_grid(space: Space) -> Serving:
    problems = [
        Problem(
            f"space.{d.name}",
            "a continuous dimension has no grid, which search/sampler=grid needs; give it a step, "
            "{float: [low, high], step: s}, or name its values, {choice: [...]}.",
        )
        for d in space.dimensions
        if is_continuous(d.domain)
    ]
    count = f"search.sampler: the grid has {count_configs(space)} points; when all are tried the search ends"
    return Serving(problems, [] if problems else [count])


def _check_part(sampler: Mapping[str, Any], space: Space) -> Serving:
    """Finds the dimensions that a sampler draws at random, all of them or some."""
    if is_sampler(sampler, samplers.QMCSampler) and any(d.condition for d in space.dimensions):
        note = f"search.sampler: {_name(sampler)} draws options' own dimensions at random, but for those of trial 0"
        return Serving([], [note])
    if not is_sampler(sampler, *_UNCONDITIONAL):
        return Serving([], [])
    numeric = is_sampler(sampler, CmaEsSampler)
    drawn = [d for d in space.dimensions if d.condition or (numeric and isinstance(d.domain, Choice | Options))]
    if len(drawn) == len(space.dimensions):  # a dimension without a condition is always there
        problem = Problem(
            "search.sampler",
            f"{_name(sampler)} models numbers that every trial has, and this space has none; take search/sampler=tpe.",
        )
        return Serving([problem], [])
    names = ", ".join(space.short_names[d.name] for d in drawn)
    return Serving([], [f"search.sampler: {_name(sampler)} draws at random: {names}"] if drawn else [])


def _name(sampler: Mapping[str, Any]) -> str:
    return str(sampler["_target_"]).rpartition(".")[2]
