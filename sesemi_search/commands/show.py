"""`sesemi-search show space=NAME`: the space as it would be searched, and how large it is."""

import sys
from dataclasses import replace

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import written_space
from sesemi_search.space.overrides import override_space
from sesemi_search.space.parse import parse_space
from sesemi_search.space.size import describe_size
from sesemi_search.space.space import Space
from sesemi_search.space.write import write_space

__all__ = ["show_command"]


def show_command(request: Request) -> int:
    """Prints the space that a command line composes, overrides applied; returns the exit code."""
    composed = compose_config(replace(request, is_shown=True))
    with composed.source_lines.added():
        root = parse_space(override_space(written_space(composed.config), composed.space_overrides))
    for note in composed.notes:
        print(note, file=sys.stderr)
    for line in (f"space={composed.config.search.name}", *describe_size(Space(root))):
        print(f"# {line}")
    print(write_space(root), end="")
    return 0
