"""Commands as a user runs them: timed from outside, from the start of the process to its end."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["PROJECT", "ROOT", "Ended", "run_module"]

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "experiments"


class Ended(NamedTuple):
    """A command that has ended.

    Attributes:
        began_s: Seconds since the epoch at its start.
        ended_s: The same at its end.
        output: What it printed.
    """

    began_s: float
    ended_s: float
    output: str

    @property
    def seconds(self) -> float:
        """Wall seconds."""
        return self.ended_s - self.began_s


def run_module(module: str, arguments: Sequence[str], folder: Path, **environment: str) -> Ended:
    """Runs `python -m module` in a folder, W&B offline.

    Raises:
        RuntimeError: It fails; the text ends with what it printed.
    """
    path = [str(ROOT), str(PROJECT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    offline = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "RAY_USAGE_STATS_ENABLED": "0"}
    env = os.environ | offline | {"PYTHONPATH": os.pathsep.join(path)} | environment
    began_s = time.time()
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        output, _ = process.communicate()
    ended = Ended(began_s, time.time(), output)
    if process.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)}: exit {process.returncode}\n{output[-3000:]}")
    return ended
