"""Where a model is: its weights, and what describes them, in a run, a trial, a search, or a folder handed on."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from sesemi_search.config.experiment import Complete, Written, resolve, type_experiment
from sesemi_search.config.schema import EXPERIMENT_KEYS, ExperimentConfig
from sesemi_search.config.stored import read_stored_config
from sesemi_search.data.source_facts import read_source_facts, recall_source_facts
from sesemi_search.errors import ConfigError
from sesemi_search.inference.description import ModelDescription, read_description
from sesemi_search.inference.save import describe_model
from sesemi_search.project.project import MODEL_FILES, MODEL_JSON, PROVENANCE, project_path

__all__ = ["ModelFiles", "describe_files", "find_model", "read_config", "remembered_project"]

_CHECKPOINT = "checkpoint.pt"  # of a trial
_SUFFIXES = (".safetensors", ".pt")
_FINAL = re.compile(r"final(?:-(\d{1,9}))?")
_HEADING = re.compile(r"# Trial (\d{1,9})\b")  # of best.yaml


class ModelFiles(NamedTuple):
    """A model on the disk.

    Attributes:
        weights: File of its weights, or of a whole training state.
        folder: Where it is described: by `model.json`, or by the `config.yaml` that it was trained with.
    """

    weights: Path
    folder: Path


def find_model(path: str | Path) -> ModelFiles:
    """Returns the model that a path means.

    Args:
        path: A file of weights, the folder of a final run, of a trial with its checkpoint, or of a search: its final
            model where there is one, else its best trial.

    Raises:
        ConfigError: There is none; the text says which command makes one.
    """
    found = project_path(None, str(path))
    try:
        is_file, is_folder = found.is_file(), found.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        is_file = is_folder = False
    if is_file:
        if found.suffix not in _SUFFIXES:
            raise ConfigError("", f"{found} is no model; it takes a folder, or a file {' or '.join(_SUFFIXES)}.")
        return ModelFiles(found, found.parent)
    if not is_folder:
        raise ConfigError("", f"there is no model {found}: no such folder or file.")
    for folder in (found, *_finals(found)):
        for name in (*MODEL_FILES, _CHECKPOINT):
            if (folder / name).is_file():
                return ModelFiles(folder / name, folder)
    if (found / "trials").is_dir():
        folder = _best_trial(found)
        return ModelFiles(folder / _CHECKPOINT, folder)
    if (found / PROVENANCE).is_file():
        raise ConfigError(
            "",
            f"{found} has no model: the run did not end. Go on with it: sesemi-search train --config-dir {found} "
            f"--config-name config run.resume_from_checkpoint={found / 'last.pt'}",
        )
    raise ConfigError("", f"{found} holds no model: no {' and no '.join(MODEL_FILES)}, and it is no search.")


def describe_files(files: ModelFiles, trust: bool = False) -> ModelDescription:
    """Returns what a model is, by its `model.json`, else by the config that it was trained with.

    Args:
        files: The model.
        trust: Builds the data source that the config names, whoever's it is: it knows the names of the classes and the
            shape of its images.

    Raises:
        ConfigError: Neither is there, or it is broken.
    """
    if (files.folder / MODEL_JSON).is_file():
        return read_description(files.folder / MODEL_JSON)
    config = read_config(files.folder)
    if config.data.mean is None or config.data.std is None or config.data.image_size is None:
        raise ConfigError("data", "it leaves open how images are prepared.", file=files.folder / "config.yaml")
    node, num_classes = config.data.source, config.learner.hparams.num_classes
    if trust:
        try:
            return describe_model(config, read_source_facts(node, Path(config.run.data_root), num_classes))
        except ConfigError:  # the data is not here
            pass
    return describe_model(config, recall_source_facts(node, Path(config.run.data_root), num_classes))


def read_config(folder: Path) -> ExperimentConfig:
    """Reads the `config.yaml` of a run or a trial, of whoever's making: no resolver runs, and nothing is built.

    Raises:
        ConfigError: There is none, or it is no config of an experiment.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise ConfigError("", f"{folder} has neither {MODEL_JSON} nor config.yaml to rebuild the model with.")
    content = read_stored_config(path)
    if "${" in json.dumps(content, default=str):
        raise ConfigError("", "holds an interpolation that is no key of it, which is not followed here.", file=path)
    try:
        experiment = Written({key: content[key] for key in EXPERIMENT_KEYS if key in content})
        return type_experiment(Complete(resolve(experiment)))
    except ConfigError as error:
        raise ConfigError.of(*(replace(problem, file=str(path)) for problem in error.problems)) from error


def remembered_project(folder: Path) -> str | None:
    """Returns the project that a model says it was made from, for a message; it need not be there."""
    for parent in (folder, *folder.parents[:2]):  # a trial is two folders below its search
        try:
            project: Any = json.loads((parent / PROVENANCE).read_text(encoding="utf-8"))["project"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return project if isinstance(project, str) else None
    return None


def _finals(search: Path) -> list[Path]:
    """Returns the folders of the final runs of a search, the last one first."""
    numbers = [int(match[1] or 1) for each in search.iterdir() if (match := _FINAL.fullmatch(each.name))]
    return [search / (f"final-{number}" if number > 1 else "final") for number in sorted(numbers, reverse=True)]


def _best_trial(search: Path) -> Path:
    """Returns the folder of the trial that best.yaml says it is of, with its checkpoint.

    The ledger would say which is best; reading it takes Optuna, which what uses a model has no need of.
    """
    try:
        heading = _HEADING.match((search / "best.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError("", f"{search} has no best.yaml yet: no trial is complete, or the search goes on.") from None
    folder = search / "trials" / (heading[1] if heading is not None else "")
    if (folder / _CHECKPOINT).is_file():
        return folder
    advice = f"Train its best config: sesemi-search train {search}"
    raise ConfigError("", f"{search} holds no weights of its best trial (search.keep_checkpoints). {advice}")
