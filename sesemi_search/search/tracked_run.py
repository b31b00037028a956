"""What trackers are told of a trial: the same by a search that runs and by `track`, which tells it anew."""

import math
from collections.abc import Mapping
from typing import Any

from sesemi_search.search.ledger.objectives import COSTS, Objectives
from sesemi_search.search.ledger.records import TrialRecord
from sesemi_search.search.stopping import error_line
from sesemi_search.space.space import Space
from sesemi_search.tracking.tracker import RunStart

__all__ = ["run_start", "run_summary"]


def run_start(study: str, record: TrialRecord, space: Space, config: Mapping[str, Any]) -> RunStart:
    """Returns the beginning of a trial's run.

    Args:
        study: Name of the study; the run's group, and the first part of its id.
        record: The trial; the epochs that it has are the run's history.
        space: Names its parameters for people.
        config: Its resolved config.
    """
    return RunStart(
        number=record.number,
        run_id=f"{study}-{record.number:04d}",
        name=f"{record.number:04d}",
        job_type="trial",
        group=study,
        params=space.shorten(record.params),
        config=config,
        num_epochs=config["run"]["num_epochs"],
        # The ledger has null for NaN and infinity.
        history={
            epoch: {name: math.nan if value is None else value for name, value in metrics.items()}
            for epoch, metrics in record.metrics.items()
        },
    )


def run_summary(record: TrialRecord, outcome: str, objectives: Objectives) -> dict[str, Any]:
    """Returns the last words of a trial's run: its outcome, its epochs, its first objective, the costs of its model.

    Of one that failed also its error, in a line.
    """
    finite = [value for value in record.values.values() if math.isfinite(value)]
    best = (max if objectives.first.maximize else min)(finite, default=None)
    costs = {name: getattr(record, name) for name in COSTS if getattr(record, name) is not None}
    error = {"error": error_line(record.message)} if record.outcome.is_failure else {}
    return {"outcome": outcome, "epochs": record.epochs, "best": best, "last": record.value, **costs, **error}
