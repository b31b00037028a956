"""Search directories with any trials one likes: no training, no Ray, no torch, thousands of trials in seconds."""

import functools
import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from omegaconf import DictConfig
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FixedTrial

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import plain, to_typed, to_yaml
from sesemi_search.project.project import PROVENANCE
from sesemi_search.search.directory import JOURNAL, SEARCH_YAML, trial_dir
from sesemi_search.search.ledger.conversion import BAR, STATES, WALL_SECONDS, bar_attribute, report_attribute, storable
from sesemi_search.search.ledger.objectives import parse_objectives
from sesemi_search.search.ledger.records import Outcome, TrialRecord
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

__all__ = ["SCRIPT", "make_up_scripted_search", "make_up_search", "trial"]

PROJECT = Path(__file__).parent / "project"
LR, WIDTH, HEAD = (f"learner.hparams.{name}" for name in ("optimizer.lr", "model.backbone.out_features", "model.head"))


def trial(
    number: int, values: Iterable[float], outcome: Outcome = Outcome.complete, lr: float = 0.1, **facts: Any
) -> TrialRecord:
    """Returns a trial of `tiny` with `val/top1` epoch by epoch; every second one has the head `scaled`."""
    if number % 2:
        head = {HEAD: "scaled", f"{HEAD}.scaled.scale": 2.0 + number % 20}
    else:
        head = {HEAD: "linear", f"{HEAD}.linear.dropout": 0.25}
    metrics = {
        epoch: {"val/top1": value, "train/loss": 1 - value, "lr": lr, "epoch_seconds": 0.5}
        for epoch, value in enumerate(values, 1)
    }
    given = {"params": {WIDTH: 4 + number % 60, **head, LR: lr}, "num_params": 1000 + number, "flops": 2000} | facts
    reports = {epoch: each["val/top1"] for epoch, each in metrics.items()}
    return TrialRecord(number, given.pop("params"), reports, metrics, outcome, attempts=1, **given)


SCRIPT = "<script>alert(1)</script>"
_SCRIPTED = f"""\
# @package _global_
defaults: [/tiny, _self_]
space:
  learner:
    hparams:
      optimizer: {{lr: {{float: [0.01, 1]}}}}
      model:
        backbone: {{out_features: {{int: [4, 64]}}}}
        head: {{choice: {{'{SCRIPT}': {{_target_: x}}, b: {{_target_: y, '<b>': {{int: [1, 2]}}}}}}}}
"""


class _Lines(BaseJournalBackend):
    """A journal in memory, as a file would have it, with the times of the trial that is being written."""

    def __init__(self) -> None:
        self.logs: list[dict[str, Any]] = []
        self.times: dict[str, datetime | None] = {}

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        yield from self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        for log in json.loads(json.dumps(logs)):
            times = {key: time.astimezone(UTC).isoformat() for key, time in self.times.items() if time and key in log}
            self.logs.append(log | times)


def make_up_search(
    directory: Path,
    records: Sequence[TrialRecord],
    *overrides: str,
    space: str = "tiny",
    project: Path = PROJECT,
    configs: bool = True,
    wall_seconds: float | None = None,
) -> Path:
    """Writes a search directory that has these trials; returns it.

    Args:
        directory: The directory, which is not there.
        records: Its trials, by number from 0.
        overrides: Of the search; `space.*` is not taken.
        space: The space.
        project: The project.
        configs: Write the trials' configs as well.
        wall_seconds: What the search has taken so far.
    """
    config = _compose(project, f"space={space}", "tracking=none", *overrides)
    config.search.study = directory.name
    objectives, parsed = parse_objectives(to_typed(config.search)), Space(parse_space(plain(config)["space"]))
    directory.mkdir(parents=True)
    (directory / SEARCH_YAML).write_text(to_yaml(plain(config)))
    started = {"project": str(project), "started": "2026-01-01T12:00:00+00:00"}
    (directory / PROVENANCE).write_text(json.dumps(started))
    lines = _Lines()
    directions = ["maximize" if each.maximize else "minimize" for each in objectives.each]
    study = optuna.create_study(storage=JournalStorage(lines), study_name=directory.name, directions=directions)
    if wall_seconds is not None:
        study.set_user_attr(WALL_SECONDS, wall_seconds)
    for record in records:
        lines.times = {"datetime_start": record.began, "datetime_complete": record.ended}
        _write_trial(study, record, parsed, objectives.values(record))
        if configs and record.attempts:
            trial_dir(directory, record.number).mkdir(parents=True)
            file = trial_dir(directory, record.number) / "config.yaml"
            experiment = {key: value for key, value in plain(config).items() if key in ("run", "data", "learner")}
            file.write_text(to_yaml(parsed.apply(experiment, record.params), "A trial."))  # type: ignore[arg-type]
    (directory / JOURNAL).write_text("".join(json.dumps(log, separators=(",", ":")) + "\n" for log in lines.logs))
    return directory


def make_up_scripted_search(folder: Path) -> Path:
    """Writes a search of three trials with HTML and control characters in its names, its place and its error."""
    project = folder / "project"
    for name in ("configs", "src", "search_spaces/space"):
        (project / name).mkdir(parents=True)
    (project / "configs/tiny.yaml").write_text((PROJECT / "configs/tiny.yaml").read_text())
    (project / "search_spaces/space/scripted.yaml").write_text(_SCRIPTED)
    params = {WIDTH: 4, LR: 0.1}
    records = [
        trial(0, [0.5], params={**params, HEAD: SCRIPT}),
        trial(1, [0.6], params={**params, HEAD: "b", f"{HEAD}.b.<b>": 1}),
        trial(2, [], Outcome.error, params={**params, HEAD: SCRIPT}, message="E: \x1b[31m<script>"),
    ]
    return make_up_search(folder / "\x1b[31m<b>", records, space="scripted", project=project)


@functools.cache
def _compose(project: Path, *overrides: str) -> DictConfig:
    return compose_config(Request(search=True, overrides=overrides, project=project)).config


def _write_trial(study: optuna.Study, record: TrialRecord, space: Space, values: Sequence[float]) -> None:
    """Writes what a session would, in its order."""
    new, known = study.ask(), FixedTrial(dict(record.params))
    assert new.number == record.number
    space.sample(known)
    for name, value in record.params.items():
        distribution = known.distributions[name]
        study._storage.set_trial_param(new._trial_id, name, distribution.to_internal_repr(value), distribution)
    facts = {"origin": record.origin.value, "attempts": record.attempts, "run_id": f"made-up-{record.number:04d}"}
    facts |= {"digest": f"{record.number:064d}", "num_params": record.num_params, "flops": record.flops}
    for name, value in facts.items():
        if value is not None:
            new.set_user_attr(name, value)
    for epoch, metrics in record.metrics.items():
        new.set_user_attr(f"epoch {epoch:04d}", {name: storable(value) for name, value in metrics.items()})
        if len(study.directions) > 1:
            new.set_user_attr(report_attribute(epoch), storable(record.values[epoch]))
        else:
            new.report(record.values[epoch], epoch)
    if record.bar is not None:
        new.set_user_attr(BAR, bar_attribute(record.bar))
    if record.message:
        new.set_user_attr("message", record.message)
    if record.outcome is Outcome.running:
        return
    new.set_user_attr("outcome", record.outcome.value)
    if record.outcome is Outcome.interrupted:
        study._storage.set_trial_state_values(new._trial_id, optuna.trial.TrialState.WAITING)
        return
    complete = record.outcome is Outcome.complete and not any(map(math.isnan, values))
    study.tell(new, list(values) if complete else None, state=STATES[record.outcome])
