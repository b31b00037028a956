"""`sesemi-search show space=NAME`: the space as it would be searched, and how large it is."""

import sys
from dataclasses import replace

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import plain
from sesemi_search.space.overrides import override_space
from sesemi_search.space.parse import parse_space
from sesemi_search.space.size import count_discrete, is_continuous
from sesemi_search.space.space import Space
from sesemi_search.space.write import write_space

__all__ = ["describe_size", "show_command"]


def show_command(request: Request) -> int:
    """Prints the space that a command line composes, overrides applied; returns the exit code."""
    composed = compose_config(replace(request, is_shown=True))
    with composed.addresses.added():
        root = parse_space(override_space(plain(composed.config).pop("space"), composed.space_overrides))
    for note in composed.notes:
        print(note, file=sys.stderr)
    for line in (f"space={composed.config.search.name}", *describe_size(Space(root))):
        print(f"# {line}")
    print(write_space(root), end="")
    return 0


def describe_size(space: Space) -> list[str]:
    """Returns lines that say how many dimensions a space has, and how many configs the countable ones make."""
    dimensions = space.dimensions
    conditional = sum(bool(dimension.condition) for dimension in dimensions)
    continuous = sum(is_continuous(dimension.domain) for dimension in dimensions)
    size = count_discrete(space)
    configs = f"{size:,} config{'s' * (size != 1)}"
    number = f"{len(dimensions)} dimension{'s' * (len(dimensions) != 1)}"
    return [
        f"{number}: {conditional} conditional, {continuous} continuous",
        f"{configs} of the discrete dimensions, times the continuous ones" if continuous else f"{configs} in all",
    ]
