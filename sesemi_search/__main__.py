"""The program: `sesemi-search`, or `python -m sesemi_search`."""

import contextlib
import os
import sys
from typing import NoReturn

from sesemi_search.cli import main

__all__ = ["run_program"]


def run_program() -> NoReturn:
    """Runs the command line and ends the process.

    A process that has had Ray is left at once. All is safe by then, and Python would take a second to take Ray and
    torch apart, or would wait for a Ray that was still starting when the search was refused.
    """
    code = main()
    if "ray" in sys.modules:
        from sesemi_search.search.ray_tune.local_ray import kill_all

        kill_all()
        # Of an output that takes no more Python tells, in its own end below.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run_program()
