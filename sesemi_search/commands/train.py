"""The verb `train`: compose, check, train, score, say what came out."""

import itertools
import logging
import shlex
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path

from rich.console import Console

from sesemi_search.atomic import write_text
from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import to_typed, to_yaml
from sesemi_search.console import make_console
from sesemi_search.errors import ConfigError
from sesemi_search.final.openings import describe_openings, earlier_openings
from sesemi_search.final.train import FinalResult, train
from sesemi_search.formatting import quote_path
from sesemi_search.inference.model_card import write_model_card
from sesemi_search.metrics import measured_names
from sesemi_search.preflight.experiment import settle_experiment
from sesemi_search.project.project import PROVENANCE, check_writable, project_path
from sesemi_search.project.provenance import describe_provenance
from sesemi_search.search.directory import find_search, lock_directory
from sesemi_search.tracking import run_tracker

__all__ = ["train_command", "train_config"]

logger = logging.getLogger(__name__)


def train_command(request: Request, argv: Sequence[str]) -> int:
    """Trains one config and scores it on the test split; returns the exit code."""
    train_config(request, argv)
    return 0


def train_config(request: Request, argv: Sequence[str]) -> FinalResult:
    """Trains one config, scores it on the test split where it is to, and prints what came of it."""
    console = make_console()
    composed = compose_config(request)
    config, project = composed.config, composed.project
    for note in composed.notes:
        logger.info(note)
    run = config.run
    runs = project_path(project, run.dir) / run.id
    check_writable(runs, "run.dir")
    folder = _new_folder(runs)
    search = None if request.config_dir is None else find_search(project_path(None, str(request.config_dir)))
    note_openings = [*filter(None, [search]), runs.parent]
    for key in ("resume_from_checkpoint", "pretrained_checkpoint_path"):
        if run[key]:  # as typed on the command line, from here; config.yaml is to be used from anywhere
            run[key] = str(project_path(None, run[key]))
    experiment = settle_experiment(composed)
    typed = experiment.typed
    for note in experiment.notes:
        logger.info(note)
    if typed.run.test and (note := describe_openings(earlier_openings(note_openings, typed.data))):
        logger.info(note)
    tracker = run_tracker(to_typed(config).tracking, folder, console, measured_names(typed.learner.metrics))

    def begin() -> None:
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise ConfigError("run.dir", f"the folder {folder} cannot be made: {error.strerror}.") from error
        held.enter_context(lock_directory(folder))
        # What was left open is measured by now, and whoever uses the model needs it.
        data = experiment.typed.data
        experiment.complete["data"] |= {"mean": data.mean, "std": data.std}
        again = f"sesemi-search train --config-dir {shlex.quote(str(folder))} --config-name config"
        write_text(folder / "config.yaml", to_yaml(experiment.stored, again))
        write_text(folder / PROVENANCE, describe_provenance(argv, project))

    with ExitStack() as held, closing(tracker):
        result = train(typed, folder, tracker, begin, note_openings)
    _print_result(result, console)
    if (test := result.test) is not None:
        which = f"({test.checkpoint}, epoch {test.epoch})"
        write_model_card(folder, {name: f"{value:.4f} {which}" for name, value in test.by_name().items()})
    return result


def _new_folder(parent: Path) -> Path:
    """Returns the path of a folder that is not there yet, named by the time."""
    name = f"train_{datetime.now():%Y%m%d_%H%M%S}"  # beside the searches of the same name
    names = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(2)))
    return next(folder for folder in (parent / name for name in names) if not folder.exists())


def _print_result(result: FinalResult, console: Console) -> None:
    metric = result.metric
    console.print(
        f"{metric:<9}  {result.last[metric]:.4f} after {result.num_epochs} epochs, "
        f"best {result.best[metric]:.4f} in epoch {result.best_epoch}"
    )
    if (test := result.test) is None:
        again = f"--config-dir {quote_path(result.run_dir)} --config-name config run.test=true"
        last = f"run.resume_from_checkpoint={quote_path(result.run_dir / 'last.pt')}"
        console.print("test       not opened: run.test is false. To score this model on it:")
        console.print(f"  sesemi-search train {again} {last}", soft_wrap=True)
    else:
        further = "".join(f", test/{name} {value:.4f}" for name, value in test.others.items())
        scored = f"({test.checkpoint}, epoch {test.epoch})"
        console.print(f"test/top1  {test.top1:.4f}, test/loss {test.loss:.4f}{further} {scored}", soft_wrap=True)
    console.print(f"use the model: sesemi-search predict {quote_path(result.run_dir)} IMAGES...", soft_wrap=True)
    console.print(f"run directory: {result.run_dir}", soft_wrap=True)
