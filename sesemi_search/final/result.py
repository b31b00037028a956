"""What a final run comes to, as its folder keeps it: `metrics.json` is written last, and is there once it is over."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sesemi_search.errors import ConfigError
from sesemi_search.project.project import METRICS
from sesemi_search.search.directory import file_inside

__all__ = ["FinalRun", "read_final"]


@dataclass(frozen=True)
class FinalRun:
    """A final run that is over.

    Attributes:
        directory: Its folder: model.pt, config.yaml, README.md, metrics.json, and the ledgers of its phases.
        winner: The candidate that was trained on train and validation images, `trial 17` or `your config`.
        sentences: What confirm says, in words.
        test: The scores of model.pt on the test split (see `final.test_scores.Scores`).
        opened: When the test split was opened, in UTC.
        metrics: All that metrics.json holds.
    """

    directory: Path
    winner: str
    sentences: Sequence[str]
    test: Mapping[str, Any] = field(repr=False)
    opened: str
    metrics: Mapping[str, Any] = field(repr=False)

    def describe_test(self) -> str:
        """Returns the test score with its interval, in a line."""
        low, high = self.test["interval"]
        text = f"test/top1 {self.test['top1']:.4f} ({low:.4f} to {high:.4f}, 95%, {self.test['num_images']:,} images)"
        objective = str(self.metrics.get("metric", "")).partition("/")[2]  # what the search was for
        value = self.test.get(objective)
        return text if objective == "top1" or not isinstance(value, float) else f"{text}, test/{objective} {value:.4f}"


def read_final(folder: Path) -> FinalRun | None:
    """Returns the final run of a folder; None where there is none, or one that is not over.

    Raises:
        ConfigError: Its metrics.json is none of ours.
    """
    path = folder / METRICS
    if not path.exists():
        return None
    try:
        metrics = json.loads(file_inside(folder.parent, path).read_text())
        sentences = metrics["verdict"]["sentences"]
        run = FinalRun(folder, metrics["winner"], sentences, metrics["test"], metrics["opened"], metrics)
        run.describe_test()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigError("", f"cannot be read ({type(error).__name__}).", file=path) from error
    return run
