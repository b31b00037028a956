"""A trial run again from its config, to be held against what the ledger has of it. Nothing of the search is written."""

import json
import shutil
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sesemi_search.config.experiment import load_experiment, type_experiment
from sesemi_search.data.stored import join_splits
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import PROVENANCE, Project, project_path
from sesemi_search.project.provenance import describe_machine
from sesemi_search.search.directory import file_inside, trial_dir
from sesemi_search.search.fingerprint import digest_experiment
from sesemi_search.search.ledger.conversion import storable
from sesemi_search.search.ledger.records import TrialRecord, TrialReport
from sesemi_search.search.plan import load_data
from sesemi_search.search.resume import find_drift
from sesemi_search.search.trial import TrialRun

__all__ = ["EpochAgain", "find_differences", "reproduce_trial"]

_TIMES = {"epoch_seconds"}  # metrics that no two runs have alike


@dataclass(frozen=True)
class EpochAgain:
    """An epoch as the ledger has it, and as it came out now.

    Attributes:
        epoch: Its number, from 1 on.
        recorded: The ledger's metrics by name, without times; what is not finite as the ledger has it.
        measured: The same now; empty where the epoch did not end.
        message: Why it did not.
    """

    epoch: int
    recorded: Mapping[str, Any]
    measured: Mapping[str, Any]
    message: str = ""

    @property
    def compared(self) -> list[str]:
        """Names of the metrics that both have: another version of this program may report others."""
        return [name for name in self.recorded if name in self.measured]

    @property
    def differing(self) -> list[str]:
        """Names of the metrics that are not equal to the bit."""
        return [name for name in self.compared if self.recorded[name] != self.measured[name]]

    @property
    def is_equal(self) -> bool:
        """Whether all that can be compared is equal."""
        return bool(self.compared) and not self.differing


def reproduce_trial(directory: Path, record: TrialRecord, project: Project | None) -> Generator[EpochAgain]:
    """Trains a trial again, as a worker does, and yields each epoch that the ledger has; close it to stop earlier.

    Args:
        directory: The search directory.
        record: The trial as the ledger has it.
        project: The project, active in this process.

    Raises:
        ConfigError: The ledger has no epoch of it, or its config or its data cannot be read.
    """
    if not record.metrics:
        raise ConfigError("trial", f"trial {record.number} has no epoch to compare with: it is {record.outcome.value}.")
    stored = file_inside(directory, trial_dir(directory, record.number) / "config.yaml")
    config = type_experiment(load_experiment(stored))
    config.run.data_root = str(project_path(project, config.run.data_root))
    data = load_data(config)
    first = record.metrics[min(record.metrics)]
    if not any(name.startswith("val/") for name in first):  # the training of a final run, on all images
        assert config.data.image_size is not None
        data = {"train": join_splits(data["train"], data["val"], config.data.image_size, config.data.channels)}
    with tempfile.TemporaryDirectory(prefix="sesemi-search-") as scratch:
        folder = trial_dir(Path(scratch), record.number)
        folder.mkdir(parents=True)
        shutil.copyfile(stored, folder / "config.yaml")
        again = TrialRun(Path(scratch), record.number, data)
        for epoch in sorted(record.metrics):
            report = again.step()
            yield EpochAgain(epoch, _comparable(record.metrics[epoch]), _measured(report, epoch), report.message)
            if report.outcome is not None:
                break
        for later in [each for each in sorted(record.metrics) if each > epoch]:
            ended = f"the trial is {report.outcome} after epoch {report.epoch}"
            yield EpochAgain(later, _comparable(record.metrics[later]), {}, ended)


def find_differences(directory: Path, record: TrialRecord, project: Project | None) -> list[str]:
    """Returns what is not as it was when the search began: packages, files of the project, machine, the config."""
    found = [*find_drift(directory, project), *_find_machine_drift(directory)]
    stored = load_experiment(trial_dir(directory, record.number) / "config.yaml")
    if record.digest and digest_experiment(stored) != record.digest:
        found.append("config.yaml of the trial was changed, or is read otherwise by this version of the program")
    return found


def _find_machine_drift(directory: Path) -> list[str]:
    try:
        began = json.loads((directory / PROVENANCE).read_text())
    except (OSError, ValueError):
        return []  # find_drift has said so
    now = describe_machine()
    return [f"{name} was {began[name]}, is {now[name]}" for name in now if name in began and began[name] != now[name]]


def _measured(report: TrialReport, epoch: int) -> dict[str, Any]:
    return _comparable(
        {name: storable(value) for name, value in report.metrics.items()} if report.epoch == epoch else {}
    )


def _comparable(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name not in _TIMES}
