"""Commands without a search: `--help` and `check`, from the start of the process to its end."""

import sys
from typing import NamedTuple

from benchmarks.speed.processes import PROJECT, run_module

__all__ = ["Commands", "measure"]


class Commands(NamedTuple):
    """Seconds of a command.

    Attributes:
        help_s: `sesemi-search --help`.
        check_s: `sesemi-search check space=lenet_cosine`.
    """

    help_s: float
    check_s: float


def measure() -> Commands:
    """Runs each once."""
    arguments = {"help_s": ["--help"], "check_s": ["check", "space=lenet_cosine"]}
    commands = Commands(
        **{name: run_module("sesemi_search", args, PROJECT).seconds for name, args in arguments.items()}
    )
    print(f"--help {commands.help_s:.2f} s, check {commands.check_s:.2f} s", file=sys.stderr)
    return commands
