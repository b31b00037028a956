"""Other ways to the same search, each a program of its own: `python -m benchmarks.speed.peers.NAME TRIALS SEED`.

Run in an empty folder, where it may leave what it likes, and leaves `result.json`: the epochs that it trained and the
best share of right answers that a trial ended with.
"""

import json
import sys
from pathlib import Path

__all__ = ["RESULT", "read_arguments", "write_result"]

RESULT = "result.json"


def read_arguments() -> tuple[int, int]:
    """Returns the number of trials and the seed."""
    num_trials, seed = map(int, sys.argv[1:])
    return num_trials, seed


def write_result(num_epochs: int, best: float) -> None:
    """Writes the result."""
    Path(RESULT).write_text(json.dumps({"num_epochs": num_epochs, "best": best}))
