"""Ray Tune's trainable: a worker that steps one trial after another.

A module of its own, because workers import it: the driver's half of the search stays out of them.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray import tune

from sesemi_search.data.stored import ImageSplit
from sesemi_search.project.project import Project, activate
from sesemi_search.search.trial import TrialRun
from sesemi_search.training.device import is_gpu_lost

__all__ = ["OBJECTIVE", "GpuLost", "TrialTrainable"]

OBJECTIVE = "objective"  # Ray insists on a metric; the ledger never looks at this one.


class GpuLost(RuntimeError):
    """A worker that can do nothing more on its GPU; Tune ends it."""


class TrialTrainable(tune.Trainable):
    """Trains trials one after another in one worker; Ray calls `step` for each epoch and `reset` between two trials."""

    def setup(  # type: ignore[override]  # the further arguments come from tune.with_parameters
        self, config: dict[str, Any], directory: Path, project: Project | None, data: Mapping[str, ImageSplit]
    ) -> None:
        """Prepares the worker: the user's code importable, the data mapped from the object store."""
        logging.getLogger("sesemi_search").setLevel(logging.ERROR)  # the driver has said it
        # But not which model is trained without a graph; this goes to the trial's output.
        logging.getLogger("sesemi_search.training.cuda_graph").setLevel(logging.WARNING)
        activate(project)
        self._directory = directory
        self._data = data
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begins the trial whose number Ray passes; nothing else goes through Ray.

        Raises:
            GpuLost: The last trial broke the GPU's context: this one begins in another worker.
        """
        if is_gpu_lost():
            raise GpuLost
        self._trial = TrialRun(self._directory, new_config["number"], self._data)
        return True

    def step(self) -> dict[str, Any]:
        """Trains an epoch."""
        report = self._trial.step()
        return {"report": report, OBJECTIVE: 0.0, "done": report.outcome is not None}
