"""A search read from Python: its trials, curves and best config. Nothing is locked, written, or run of its configs."""

import html
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from sesemi_search.errors import ConfigError
from sesemi_search.formatting import escape_controls, format_metrics
from sesemi_search.project.project import project_path
from sesemi_search.report.advice import Advice, advise
from sesemi_search.report.importance import measure_importances
from sesemi_search.report.page import write_report
from sesemi_search.report.summary import Summary, summarize
from sesemi_search.report.trial_rows import TrialRow, column_names, flatten_row, rank_rows
from sesemi_search.search.ledger.objectives import COSTS
from sesemi_search.search.stored_config import load_trial_config
from sesemi_search.search.stored_search import StoredSearch, copy_study, read_search

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Search", "open_search"]

_NUM_SHOWN = 10


def open_search(directory: str | Path) -> "Search":
    """Opens a search directory to read it: of a search that runs, is finished, was stopped or killed.

    Args:
        directory: The search directory; a relative path starts at the working directory.

    Raises:
        ConfigError: It holds no search, or one that cannot be read.
    """
    return Search(read_search(project_path(None, str(directory))))


class Search:
    """A search as its ledger told it when it was opened; to see what has come since, open it again.

    Attributes:
        directory: The search directory.
        name: Name of the study, unique to the search.
        metrics: What it optimizes, the first of them the `value` of its trials.
        summary: Its state, and how its trials ended.
    """

    def __init__(self, stored: StoredSearch) -> None:
        self._stored = stored
        self.directory: Path = stored.directory
        self.name: str = stored.name
        self.metrics: list[str] = [objective.name for objective in stored.objectives.each]
        self.summary: Summary = summarize(stored)

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """A row a trial: number, outcome, value, further objectives, epochs, seconds, parameters, num_params, flops.

        A parameter has its short name, and no value (NaN, None) where its option was not chosen.
        """
        import pandas as pd

        rows = self.summary.rows
        frame = pd.DataFrame([flatten_row(row) for row in rows], columns=column_names(rows))
        # Whole numbers, with a place for none.
        return frame.astype(dict.fromkeys(COSTS, "Int64"))

    @cached_property
    def curves(self) -> "pd.DataFrame":
        """A row for each epoch of each trial: number, epoch, and a column a metric."""
        import pandas as pd

        rows = [
            {"number": record.number, "epoch": epoch, **record.metrics.get(epoch, {})}
            for record in self._stored.records
            for epoch in sorted(record.values)
        ]
        metrics = dict.fromkeys(name for row in rows for name in row)
        return pd.DataFrame(rows, columns=list(dict.fromkeys(["number", "epoch", *metrics])))

    @property
    def best(self) -> TrialRow | None:
        """The best complete trial; of several objectives, the one that `search.best_within` takes of their front."""
        return self.summary.best

    def config(self, number: int | None = None) -> dict[str, Any]:
        """Returns the whole config of a trial, of the best one by default, its references to other keys followed.

        Raises:
            ConfigError: There is no such trial, or it has no config, because its model could not be built.
        """
        return load_trial_config(self.directory, self.find_trial(number).number)

    def find_trial(self, number: int | None = None) -> TrialRow:
        """Returns a trial, the best one by default.

        Raises:
            ConfigError: There is none of that number, or none is complete.
        """
        if number is None and self.best is not None:
            return self.best
        for row in self.summary.rows:
            if row.number == number:
                return row
        if number is None:
            raise ConfigError("trial", f"{self.directory} has no best trial: none is complete.")
        raise ConfigError("trial", f"got {number}; {self.directory} has {len(self.summary.rows)} trials.")

    @cached_property
    def study(self) -> optuna.Study:
        """The study, copied into memory: what is written to it is not written to the search."""
        return copy_study(self._stored)

    def importances(self) -> Mapping[str, float]:
        """Returns how much each parameter mattered, the greatest first; they add up to 1 (see `measure_importances`).

        Empty where fewer than eight trials are complete.
        """
        return measure_importances(self._stored.all_records, self._stored.space, self._stored.objectives)

    def advice(self) -> list[Advice]:
        """Returns what the trials show of the space and of the best one, a sentence each (see `advise`)."""
        return advise(self._stored.all_records, self._stored.space, self._stored.objectives)

    def report(self, file: str | Path | None = None) -> Path:
        """Writes the search as an HTML page that needs nothing else; returns its path.

        Args:
            file: The file, a relative path from the working directory; by default `report.html` in the search
                directory.

        Raises:
            ConfigError: It cannot be written.
        """
        return write_report(self._stored, None if file is None else project_path(None, str(file)))

    def __repr__(self) -> str:
        return f"Search({str(self.directory)!r}: {self._describe()})"

    def _describe(self) -> str:
        best = "none complete" if self.best is None else f"best: trial {self.best.number}, {self._values(self.best)}"
        return f"{self.summary.state}, {len(self.summary.rows)} trials, {best}"

    def _values(self, row: TrialRow) -> str:
        return format_metrics({self.metrics[0]: row.value, **row.others})

    def _repr_html_(self) -> str:
        """The best trials, for a notebook."""
        best = rank_rows(self.summary.rows, self._stored.objectives.first.mode)[:_NUM_SHOWN]
        frame = self.trials.set_index("number").loc[[row.number for row in best]].reset_index()
        head = html.escape(escape_controls(f"{self.directory}: {self._describe()}"))
        return f"<p>{head}</p>{escape_controls(frame.to_html(index=False, na_rep='-', border=0))}"
