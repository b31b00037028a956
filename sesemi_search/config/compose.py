"""From a command line to a typed config: Hydra composes, this module makes it closed, and its errors readable.

A user's file is never Hydra's primary config, because a primary from a file is neither typed nor closed. It goes into a
primary of ours, `[schema, /NAME@_global_, ...]`, and so is both. Hydra merges what is given for a path; a space must
replace it, so `space.*` overrides are taken out here and left to `sesemi_search.space`.
"""

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from sesemi_search.config.experiment import check_values, plain
from sesemi_search.config.hydra_errors import explain
from sesemi_search.config.keys import known_keys
from sesemi_search.config.overrides import (
    SpaceOverride,
    check_choices,
    check_keys,
    chosen,
    parse_overrides,
    space_overrides,
)
from sesemi_search.config.primary import Primary
from sesemi_search.config.schema import (
    EXPERIMENT_KEYS,
    ExperimentConfig,
    RunConfig,
    RunExperimentConfig,
    SearchExperimentConfig,
)
from sesemi_search.config.sesemi_keys import settle_aliases
from sesemi_search.config.source_lines import SourceLines
from sesemi_search.errors import ConfigError, Problem, raise_problems, suggest
from sesemi_search.project.project import Project, find_project, list_options, resource_dirs, tutorial_configs

__all__ = ["Composed", "Request", "compose_config", "search_path"]

_NUM_CLASSES = "learner.hparams.num_classes"
_WANDB_PROJECT = "sesemi-search"
# Each a list of one option: beside it, a user's file may choose with or without Hydra's `override`.
_TRAIN_DEFAULTS: list[Any] = [{"tracking": ["wandb"]}]
_RUN_DEFAULTS: list[Any] = [
    *_TRAIN_DEFAULTS,
    {"search/sampler": ["learning_curves"]},
    {"search/pruner": ["late_halving"]},
]


@dataclass(frozen=True)
class Request:
    """What a command line asks to compose.

    Attributes:
        search: True for a search (`run`), False for one training run (`train`).
        overrides: Hydra overrides, as typed.
        config_name: `--config-name`: the experiment, by its path on the search path.
        config_dir: `--config-dir`: a folder of YAML that comes before all others.
        project: `--project`.
        is_shown: The config is only printed, so values may be missing in it.
    """

    search: bool
    overrides: Sequence[str] = ()
    config_name: str | None = None
    config_dir: Path | None = None
    project: Path | None = None
    is_shown: bool = False


@dataclass(frozen=True)
class Composed:
    """A composed config, typed, closed and unresolved, and where it came from.

    Attributes:
        config: The config; its `space` is as the files have it.
        project: The user's project.
        space_overrides: What the command line says of the space.
        notes: Lines for the user.
        source_lines: Where each key was written.
    """

    config: DictConfig
    project: Project | None
    space_overrides: Sequence[SpaceOverride]
    notes: Sequence[str]
    source_lines: SourceLines = field(default_factory=SourceLines)


def compose_config(request: Request) -> Composed:
    """Composes what a command line asks for.

    Raises:
        ConfigError: Any mistake in the command line or in a YAML file.
    """
    project = find_project(request.project, request.config_dir)
    folders = search_path(request, project)
    raise_problems(list(_check_bare_words(request, folders)))
    overrides = parse_overrides(request.overrides)
    primary = _primary(request, overrides, folders)
    source_lines = SourceLines(primary.sources, overrides)
    with source_lines.added():
        config = _checked(request, primary, overrides, folders)
    return Composed(config, project, space_overrides(overrides), _shadowed(project, request.config_dir), source_lines)


def _checked(request: Request, primary: Primary, overrides: Sequence[Override], folders: list[Path]) -> DictConfig:
    """Composes, with the mistakes of the command line before and those of the values after."""
    problems = [*_check_names(request, overrides, folders), *check_choices(overrides, folders)]
    raise_problems([*problems, *check_keys(_schema(request), overrides, folders)])
    config = _compose(primary, overrides)
    problems = list(settle_aliases(config, overrides))
    if request.search and OmegaConf.is_missing(config.search, "name"):
        # A space in a folder of its own, `space=vision/tiny`, is no path to the names made of this one.
        names = [str(o.value()) for o in overrides if o.key_or_group == "space"]
        config.search.name = names[-1].replace("/", "_")
    _name_run(config, request)
    _settle_tracking(config)
    if not request.is_shown:
        problems += _check_missing(config, request.search)
    problems += [*_check_parts(config, request.search), *_check_interpolations(config, request)]
    raise_problems([*problems, *check_values(config)])
    return config


def _name_run(config: DictConfig, request: Request) -> None:
    """Calls a run that nobody named by its config, and the trials of a search, of which one trains again, by it."""
    with suppress(OmegaConfBaseException):  # `run` or `search.name` is a broken interpolation, which others complain of
        if OmegaConf.is_missing(config.run, "id"):
            config.run.id = RunConfig.id  # which `search.name` may refer to
            name = config.search.name if request.search else request.config_name
            config.run.id = str(name).removesuffix(".yaml").replace("/", "_")


def _settle_tracking(config: DictConfig) -> None:
    """Gives what W&B's own variables say where no config does; a search that goes on elsewhere keeps it."""
    with suppress(OmegaConfBaseException):  # a broken interpolation, which others complain of
        tracking = config.tracking
        if tracking.project is None:
            tracking.project = os.environ.get("WANDB_PROJECT") or _WANDB_PROJECT
        if tracking.entity is None:
            tracking.entity = os.environ.get("WANDB_ENTITY") or None


def _check_names(request: Request, overrides: Sequence[Override], folders: list[Path]) -> Iterator[Problem]:
    """Sees that a search has a space, a run a config, and that the config is there."""
    if request.search and not any(o.key_or_group == "space" and isinstance(o.value(), str) for o in overrides):
        names = [name for name, _ in list_options("space", folders)]
        yield Problem(
            "space", f"missing; say which space to search, space=NAME. There are: {', '.join(names) or 'none'}."
        )
    if request.config_name is not None:
        name = request.config_name.removesuffix(".yaml")
        if {"@", ":"} & set(name):
            yield Problem("--config-name", f"got {name!r}; Hydra's names hold no '@' and no ':'. Rename the file.")
        elif not any((folder / f"{name}.yaml").is_file() for folder in folders):
            found = (file.stem for folder in folders for file in sorted(folder.glob("*.yaml")) if file.is_file())
            names = list(dict.fromkeys(found))
            there_are = f" There are: {', '.join(names)}." if names else ""
            searched = ", ".join(map(str, folders))
            yield Problem("--config-name", f"there is no {name}.yaml in {searched}.{suggest(name, names)}{there_are}")
    elif not request.search:
        yield Problem(
            "--config-name", "missing; say which experiment to train, --config-name NAME (and --config-dir DIR)."
        )


def _check_bare_words(request: Request, folders: list[Path]) -> Iterator[Problem]:
    """Says of what is no `KEY=VALUE` what was meant: the name of a space, of a config, or a folder of YAML."""
    for text in request.overrides:
        if "=" in text or text.startswith("~"):
            continue
        if request.search:
            names, option = [name for name, _ in list_options("space", folders)], "space="
        else:
            names, option = [file.stem for folder in folders for file in folder.glob("*.yaml")], "--config-name "
        name, meant = Path(text).stem, ""
        if text in names or name in names:
            name = text if text in names else name
            meant = f" Did you mean {option}{name}?"
        elif text and _is_folder(text):
            meant = f" Did you mean --config-dir {text}?"
        elif near := difflib.get_close_matches(name, names, n=1):
            meant = f" Did you mean {option}{near[0]}?"
        yield Problem(text or repr(text), f"not an override KEY=VALUE.{meant}")


def _is_folder(text: str) -> bool:
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):  # a name too long for one, or with a null byte
        return False


def search_path(request: Request, project: Project | None) -> list[Path]:
    """Returns the folders of YAML: the one given, then the user's, then ours.

    Raises:
        ConfigError: The one given is no folder.
    """
    folders = [*(project.config_dirs if project else []), *resource_dirs(), tutorial_configs()]
    if request.config_dir is None:
        return folders
    if not request.config_dir.is_dir():
        raise ConfigError("--config-dir", f"{request.config_dir} is not a folder.")
    return [request.config_dir.resolve(), *folders]


def _schema(request: Request) -> type:
    return SearchExperimentConfig if request.search else RunExperimentConfig


def _primary(request: Request, overrides: Sequence[Override], folders: list[Path]) -> Primary:
    """Puts our defaults, the user's files and what the command line chooses above the schema, in this order."""
    name = [] if request.config_name is None else [f"/{request.config_name.removesuffix('.yaml')}@_global_"]
    space = [{"space": "???"}] if request.search else []
    defaults = _RUN_DEFAULTS if request.search else _TRAIN_DEFAULTS
    for_files = [o for o in overrides if not o.key_or_group.startswith("space.")]
    return Primary(_schema(request), [*defaults, *name, *space, *chosen(overrides)], for_files, folders)


def _compose(primary: Primary, overrides: Sequence[Override]) -> DictConfig:
    """Lets Hydra compose, and puts a chosen data set in the place of the experiment's own."""
    config = primary.compose()
    # The number of classes may be set by itself or within a mapping, learner.hparams={num_classes: ...}.
    of_data = [
        o
        for o in overrides
        if o.key_or_group.split(".")[0] == "data" or f"{_NUM_CLASSES}.".startswith(f"{o.key_or_group}.")
    ]
    if data := [choice for choice in chosen(overrides) if "data" in choice]:
        # Hydra merges: what a file says of the first data set would stay beside the second one.
        other = Primary(RunExperimentConfig, data, of_data, primary.folders).compose()
        config.data = other.data
        # Whatever else of the command line says of the classes, they are those of the images.
        is_open = OmegaConf.is_missing(other.learner.hparams, "num_classes")
        config.learner.hparams.num_classes = MISSING if is_open else other.learner.hparams.num_classes
    return config


def _check_missing(config: DictConfig, search: bool) -> Iterator[Problem]:
    """Finds mandatory values that nothing set; of a search, the space may yet give those of the learner.

    The number of classes may follow from the source, which is asked for it once its module can be imported.
    """
    # Not OmegaConf.missing_keys, which resolves interpolations on its way and raises where they lead nowhere.
    for key in sorted(_missing_keys(plain(config), "")):
        if key == _NUM_CLASSES:
            is_told = OmegaConf.is_missing(config.data, "source")
        else:
            is_told = not (search and key.startswith(("learner.", "space.")))
        if is_told:
            yield Problem(
                key,
                "missing; no config sets it, and there is no default. "
                f"Write {key}=VALUE on the command line, or set it in a config.",
            )


def _check_parts(config: DictConfig, search: bool) -> Iterator[Problem]:
    """Sees that a search has a sampler and a pruner."""
    for key in ("search.sampler", "search.pruner") if search else ():
        node = OmegaConf.select(config, key, throw_on_missing=False)
        if not (isinstance(node, DictConfig) and "_target_" in node):
            name = key.replace(".", "/")
            yield Problem(key, f"got {node!r}; it takes a mapping with a _target_ and its arguments, or {name}=NAME.")


def _missing_keys(node: Any, key: str) -> Iterator[str]:
    """Yields the dotted keys of the values `???`."""
    if node == MISSING:
        yield key
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        yield from _missing_keys(child, f"{key}.{name}" if key else str(name))


def _check_interpolations(config: DictConfig, request: Request) -> Iterator[Problem]:
    """Finds interpolations that lead nowhere; in a search, only where no sample can mend them.

    That is in what all trials share, unless the config is only shown, and in what is no part of an experiment.
    """
    known = {} if request.is_shown else known_keys(ExperimentConfig)
    shared = (*(name for name, each in known.items() if each.is_shared), "search", "tracking", "ray")
    for key in shared if request.search else (*EXPERIMENT_KEYS, "tracking"):
        try:
            node = OmegaConf.select(config, key, throw_on_missing=False)
            if OmegaConf.is_config(node):
                OmegaConf.to_container(node, resolve=True)
        except InterpolationToMissingValueError:
            continue  # what is missing has its own message
        except (OmegaConfBaseException, RecursionError) as error:
            yield explain(error)


def _shadowed(project: Project | None, config_dir: Path | None) -> list[str]:
    """Says which of our files a user's file of the same name stands in for."""
    ours = {f.relative_to(folder) for folder in resource_dirs() for f in folder.rglob("*.yaml")}
    folders = [*([config_dir] if config_dir else []), *(project.config_dirs if project else [])]
    theirs = {name: f for folder in reversed(folders) for name in ours if (f := folder / name).is_file()}
    return [f"{theirs[name]} is used in place of our own {name}" for name in sorted(ours & theirs.keys())]
