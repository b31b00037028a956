"""One final run from config to test score.

The search and its choice rest on train and val; this is the one place that opens the test split: after training, once,
where `run.test` says so, and noted before (`openings.py`). Its files, where it has any, are tried before training: a
broken one must not cost a training. The run's folder gets last.pt and best.pt (whole states, to go on from), the chosen
weights with what is needed to use them (see `inference.save`), metrics.json and, where some steps are profiled, their
trace; its config is the caller's to write.
"""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from torch import nn

from sesemi_search.atomic import atomic_file
from sesemi_search.config.experiment import Complete, to_yaml
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.data import Images, fill_normalization, load_splits, open_images
from sesemi_search.data.splits import count_train_images, describe_classes
from sesemi_search.errors import raise_problems, user_code
from sesemi_search.final.openings import count_opening
from sesemi_search.final.start import begin, best_epoch, epoch_objective
from sesemi_search.inference import save_model
from sesemi_search.metrics import Objective
from sesemi_search.preflight.schedule import Schedules
from sesemi_search.project.project import METRICS
from sesemi_search.tracking.columns import CONFIG_FILE, experiment_facts
from sesemi_search.tracking.tracker import RunStart, Tracker
from sesemi_search.training import Diverged, Fit, eval_weights, load_checkpoint, resolve_device, save_checkpoint
from sesemi_search.training.build import copy_model
from sesemi_search.training.evaluation import describe_absent
from sesemi_search.training.step_profile import StepProfile
from sesemi_search.training.step_times import describe_steps

__all__ = ["FinalResult", "FinalScore", "train", "write_metrics"]

logger = logging.getLogger(__name__)

_TRACE = "trace.json.gz"
_NUMBER = 0  # a final run's number in tracking


@dataclass(frozen=True)
class FinalScore:
    """The one look at the test split.

    Attributes:
        checkpoint: File that was scored, `best.pt` or `last.pt`.
        epoch: Epoch that it is of.
        loss: Mean loss of the test images.
        top1: Share of test images that are right, in [0, 1].
        others: What `learner.metrics` has on, by name.
        openings_before: How often this test split is known to have been opened before.
    """

    checkpoint: str
    epoch: int
    loss: float
    top1: float
    others: Mapping[str, float] = field(default_factory=dict)
    openings_before: int = field(default=0, compare=False)

    def by_name(self) -> dict[str, float]:
        """Returns what was measured, by the metrics' names."""
        return {f"test/{name}": value for name, value in {"loss": self.loss, "top1": self.top1, **self.others}.items()}

    def summary(self) -> dict[str, float | str]:
        """Returns all of it, by metric name, for a tracker."""
        return {
            **self.by_name(),
            "test/checkpoint": self.checkpoint,
            "test/epoch": self.epoch,
            "test/openings_before": self.openings_before,
        }


@dataclass(frozen=True)
class FinalResult:
    """A final run that trained all its epochs.

    Attributes:
        run_dir: Its folder: last.pt, best.pt, the model, metrics.json, and trace.json.gz where it is profiled.
        num_epochs: Epochs trained.
        best_epoch: The first epoch that is the best by `metric`.
        metric: `run.best_metric`.
        mode: `max` or `min`: whether more of it is better.
        best: Metrics of that epoch.
        last: Metrics of the last epoch.
        test: The test score, None where `run.test` is false.
    """

    run_dir: Path
    num_epochs: int
    best_epoch: int
    metric: str
    mode: str
    best: Mapping[str, float]
    last: Mapping[str, float]
    test: FinalScore | None

    @property
    def best_top1(self) -> float:
        """val/top1 of the best epoch, in [0, 1]."""
        return self.best["val/top1"]

    @property
    def last_top1(self) -> float:
        """val/top1 of the last epoch, in [0, 1]."""
        return self.last["val/top1"]

    def summary(self) -> dict[str, Any]:
        """Returns the last words of the run, by metric name, for a tracker."""
        return {
            **{name: value for name, value in self.last.items() if name.startswith("val/") and name != "val/loss"},
            self.metric: {self.mode: self.best[self.metric], "last": self.last[self.metric]},
            "best_epoch": self.best_epoch,
            **({} if self.test is None else self.test.summary()),
        }


@user_code()
def train(
    config: ExperimentConfig,
    run_dir: Path,
    tracker: Tracker,
    before_start: Callable[[], None] | None = None,
    note_openings: Sequence[Path] = (),
) -> FinalResult:
    """Trains a config in full, keeps its checkpoints, and scores one of them on the test split if it is to.

    Args:
        config: The experiment, with absolute paths. Normalization that it leaves open is filled in.
        run_dir: The run's folder; made if missing.
        tracker: Gets the start, every epoch (those before a resumed one too) and the end. It is not closed.
        before_start: Called once, when all is built and before the first file is written: a mistake in the config comes
            out earlier.
        note_openings: Where openings of the test split are noted (see `count_opening`); by default the folder that the
            run's own is in.

    Raises:
        ConfigError: Something in the config cannot be built or read; nothing was written.
        Diverged: The loss became NaN or infinite; checkpoints of the epochs before and metrics.json are there.
    """
    run = config.run
    placement = resolve_device(run.accelerator, run.gpus)
    if placement.note is not None:
        logger.info(placement.note)
    images = _load(config, ("train", "val"), placement.device.type, later=("test",) if run.test else ())
    if count_train_images(config.data) is None:  # else the check before has seen it
        schedule = Schedules(len(images["train"])).check(Complete(asdict(config, dict_factory=_plain)))
        raise_problems(schedule.problems)
        for remark in schedule.remarks:
            logger.info(str(remark))
    fit = Fit(config, images["train"], images["val"])
    num_classes = config.learner.hparams.num_classes
    for note in (
        describe_classes(images["train"].labels, num_classes),
        describe_absent("val", images["val"].labels, config.learner.metrics, num_classes),
    ):
        if note is not None:
            logger.info(note)
    best, objective = begin(fit, config), epoch_objective(config)
    if fit.epoch:
        logger.info(f"going on from {run.resume_from_checkpoint} after epoch {fit.epoch} of {fit.num_epochs}")
    if before_start is not None:
        before_start()
    run_dir.mkdir(parents=True, exist_ok=True)
    if best is not None:
        save_checkpoint(run_dir / "best.pt", best)
    with _tracked(config, objective, run_dir, tracker, fit) as ended:
        # Not the first epoch, in which memory is found yet and a GPU's libraries choose their kernels.
        profiled = min(fit.epoch + 2, fit.num_epochs) if run.profile else None
        while fit.epoch < fit.num_epochs:
            _train_epoch(fit, objective, run_dir, tracker, is_profiled=fit.epoch + 1 == profiled)
        chosen = _keep_model(config, fit, run_dir)
        test = _score_test(config, fit, chosen, run_dir, note_openings or [run_dir.parent]) if run.test else None
        result = _result(fit, objective, run_dir, test)
        write_metrics(run_dir / METRICS, "complete", fit.history, test)
        ended.update(result.summary())
    return result


def _load(
    config: ExperimentConfig,
    names: tuple[str, ...],
    device: str,
    later: tuple[str, ...] = (),
) -> dict[str, Images]:
    """Loads splits for the device; files of those for later are only seen to be readable."""
    run = config.run
    splits = load_splits(config.data, Path(run.data_root), names, run.memory_share, later)
    if "train" in splits:
        config.data = fill_normalization(config.data, splits["train"])
    return {name: open_images(name, split, config.data, run, device) for name, split in splits.items()}


@contextmanager
def _tracked(
    config: ExperimentConfig, objective: Objective, run_dir: Path, tracker: Tracker, fit: Fit
) -> Iterator[dict[str, Any]]:
    """Tells the tracker that the run starts and, however it ends, how; yields the summary for the caller to fill."""
    experiment = asdict(config, dict_factory=_plain)
    facts = experiment_facts(experiment)
    tracker.start(
        RunStart(
            number=_NUMBER,
            run_id=f"{config.run.id}-{run_dir.name}",
            name=config.run.id,
            job_type="final",
            group=None,
            params={},
            config=facts,
            num_epochs=fit.num_epochs,
            files={CONFIG_FILE: to_yaml(experiment)},
            notes=f"run directory: {run_dir}",
            tags=[facts[name] for name in ("backbone", "head") if name in facts],
            objectives={objective.name: objective.mode},
        )
    )
    for epoch, metrics in enumerate(fit.history, start=1):
        tracker.log(_NUMBER, epoch, metrics)
    summary: dict[str, Any] = {}
    outcome, history = "error", fit.history
    try:
        yield summary
        outcome = "complete"
    except Diverged as error:
        outcome, history = "diverged", [*fit.history, error.metrics]
        tracker.log(_NUMBER, error.epoch, error.metrics)
        raise
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        try:
            if outcome != "complete":
                write_metrics(run_dir / METRICS, outcome, history)
        finally:
            tracker.end(_NUMBER, outcome, summary or (fit.history[-1] if fit.history else {}))


def _train_epoch(fit: Fit, objective: Objective, run_dir: Path, tracker: Tracker, is_profiled: bool) -> None:
    """Trains one epoch and puts it on disk."""
    metrics = _profile_epoch(fit, run_dir / _TRACE) if is_profiled else fit.train_epoch()
    state = fit.state_dict()
    # last.pt first: after a crash between the two, the state to go on from still knows that it is the best itself.
    save_checkpoint(run_dir / "last.pt", state)
    if best_epoch(fit.history, objective) == fit.epoch:
        save_checkpoint(run_dir / "best.pt", state)
    write_metrics(run_dir / METRICS, "running", fit.history)
    tracker.log(_NUMBER, fit.epoch, metrics)


def _profile_epoch(fit: Fit, trace: Path) -> dict[str, float]:
    """Trains one epoch, writes the trace of some of its steps and says where their time went."""
    with StepProfile(fit.device) as profile:
        metrics = fit.train_epoch(profile)
    profile.export(trace)
    for line in describe_steps(profile.events(), profile.has_gpu):
        logger.info(line)
    logger.info(f"trace of epoch {fit.epoch}, for ui.perfetto.dev or chrome://tracing: {trace}")
    return metrics


@dataclass(frozen=True)
class _Chosen:
    """The model of the checkpoint that is scored, with the checkpoint's name and epoch."""

    checkpoint: str
    epoch: int
    model: nn.Module


def _keep_model(config: ExperimentConfig, fit: Fit, run_dir: Path) -> _Chosen:
    """Saves the model with the weights of the chosen checkpoint."""
    name = f"{config.run.test_checkpoint.value}.pt"
    # The last epoch is in memory, and on disk only if this attempt trained one.
    state = fit.state_dict() if name == "last.pt" else load_checkpoint(run_dir / name)
    model = copy_model(fit.eval_model)
    model.load_state_dict(eval_weights(state))
    save_model(run_dir, model, config)
    return _Chosen(name, state["epoch"], model)


def _score_test(
    config: ExperimentConfig, fit: Fit, chosen: _Chosen, run_dir: Path, note_openings: Sequence[Path]
) -> FinalScore:
    """Opens the test split, having noted that, and scores the chosen model."""
    earlier = count_opening(note_openings, config.data, run_dir)
    scores = fit.evaluate(_load(config, ("test",), fit.device.type)["test"], "test", chosen.model)
    measured = {metric.removeprefix("test/"): value for metric, value in scores.items()}
    loss, top1 = measured.pop("loss"), measured.pop("top1")
    return FinalScore(chosen.checkpoint, chosen.epoch, loss, top1, measured, len(earlier))


def write_metrics(
    path: Path, outcome: str, history: Sequence[Mapping[str, float]], test: FinalScore | None = None
) -> None:
    """Writes `metrics.json` atomically: the outcome, every epoch, and the test score once there is one.

    Args:
        path: The file.
        outcome: `running`, `complete`, `diverged`, `interrupted` or `error`.
        history: Metrics of each epoch, in order.
        test: The test score, or None.
    """
    content = {
        "outcome": outcome,
        "epochs": [{"epoch": number, **_finite(metrics)} for number, metrics in enumerate(history, start=1)],
        "test": None if test is None else _describe_test(test),
    }
    with atomic_file(path) as file:
        file.write((json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def _describe_test(test: FinalScore) -> dict[str, object]:
    """Returns a test score as `metrics.json` has it, every metric beside the others."""
    content = asdict(test)
    others = content.pop("others")
    return _finite({**content, **others})


def _result(fit: Fit, objective: Objective, run_dir: Path, test: FinalScore | None) -> FinalResult:
    """Sums up a run whose epochs are all behind it."""
    best = best_epoch(fit.history, objective)
    return FinalResult(
        run_dir=run_dir,
        num_epochs=fit.epoch,
        best_epoch=best,
        metric=objective.name,
        mode=objective.mode,
        best=fit.history[best - 1],
        last=fit.history[-1],
        test=test,
    )


def _finite(values: Mapping[str, object]) -> dict[str, object]:
    """Returns the values with null for NaN and infinity, which JSON does not have."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def _plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """Builds the mappings of `asdict`, enums as their values."""
    return {key: value.value if isinstance(value, Enum) else value for key, value in items}
