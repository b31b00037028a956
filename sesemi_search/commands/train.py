"""The verb `train`: compose, check, train, score, say what came out."""

import itertools
import logging
import shlex
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console

from sesemi_search.atomic import write_text
from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import resolve, to_typed, to_yaml, type_experiment, written_experiment
from sesemi_search.config.interpolations import keep_interpolations
from sesemi_search.console import make_console
from sesemi_search.data.classes import check_classes, follow_classes
from sesemi_search.errors import ConfigError
from sesemi_search.final.train import FinalResult, train
from sesemi_search.formatting import quote_path
from sesemi_search.inference.model_card import write_model_card
from sesemi_search.models.expected_input import describe_followed, follow_backbone
from sesemi_search.preflight.branches import check_experiment
from sesemi_search.project.project import PROVENANCE, activate, check_writable, project_path
from sesemi_search.project.provenance import describe_provenance
from sesemi_search.tracking import run_tracker

__all__ = ["train_command", "train_config"]

logger = logging.getLogger(__name__)


def train_command(request: Request, argv: Sequence[str]) -> int:
    """Trains one config and scores it on the test split; returns the exit code."""
    train_config(request, argv)
    return 0


def train_config(request: Request, argv: Sequence[str]) -> FinalResult:
    """Trains one config, scores it on the test split and prints what came of it."""
    console = make_console()
    composed = compose_config(request)
    config, project = composed.config, composed.project
    for note in composed.notes:
        logger.info(note)
    activate(project)
    run = config.run
    runs = project_path(project, run.dir) / run.id
    check_writable(runs, "run.dir")
    folder = _new_folder(runs)
    data_root = project_path(project, run.data_root)
    run.data_root = str(data_root)
    for key in ("resume_from_checkpoint", "pretrained_checkpoint_path"):
        if run[key]:  # as typed on the command line, from here; config.yaml is to be used from anywhere
            run[key] = str(project_path(None, run[key]))
    with composed.source_lines.added():
        follow_classes(config, data_root)
        written = written_experiment(config)
        resolved = resolve(written)
        experiment = follow_backbone(written, resolved)
        typed = type_experiment(experiment)
        check_classes(typed)
        notes = [*describe_followed(resolved, experiment), *check_experiment(experiment)]
    for note in notes:
        logger.info(note)
    tracker = run_tracker(to_typed(config).tracking, folder, console)

    def begin() -> None:
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise ConfigError("run.dir", f"the folder {folder} cannot be made: {error.strerror}.") from error
        # What was left open is measured by now, and whoever uses the model needs it.
        experiment["data"] |= {"mean": typed.data.mean, "std": typed.data.std}
        again = f"sesemi-search train --config-dir {shlex.quote(str(folder))} --config-name config"
        write_text(folder / "config.yaml", to_yaml(keep_interpolations(written, experiment), again))
        write_text(folder / PROVENANCE, describe_provenance(argv, project))

    try:
        result = train(typed, folder, tracker, begin)
    finally:
        tracker.close()
    _print_result(result, console)
    test = result.test
    which = f"{test.checkpoint}, epoch {test.epoch}"
    write_model_card(folder, {"test/top1": f"{test.top1:.4f} ({which})", "test/loss": f"{test.loss:.4f} ({which})"})
    return result


def _new_folder(parent: Path) -> Path:
    """Returns the path of a folder that is not there yet, named by the time."""
    name = f"train_{datetime.now():%Y%m%d_%H%M%S}"  # beside the searches of the same name
    names = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(2)))
    return next(folder for folder in (parent / name for name in names) if not folder.exists())


def _print_result(result: FinalResult, console: Console) -> None:
    test = result.test
    console.print(
        f"val/top1   {result.last_top1:.4f} after {result.num_epochs} epochs, "
        f"best {result.best_top1:.4f} in epoch {result.best_epoch}"
    )
    console.print(f"test/top1  {test.top1:.4f}, test/loss {test.loss:.4f} ({test.checkpoint}, epoch {test.epoch})")
    console.print(f"use the model: sesemi-search predict {quote_path(result.run_dir)} IMAGES...", soft_wrap=True)
    console.print(f"run directory: {result.run_dir}", soft_wrap=True)
