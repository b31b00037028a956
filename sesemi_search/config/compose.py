"""From a command line to a typed config: Hydra composes, this module makes it closed, and its errors readable.

A user's file is never Hydra's primary config, because a primary from a file is neither typed nor closed. It goes into a
primary of ours, `[schema, /NAME@_global_, ...]`, and so is both. Hydra merges what is given for a path; a space must
replace it, so `space.*` overrides are taken out here and left to `sesemi_search.space`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.errors import ConfigError, raise_problems, suggest
from sesemi_search.config.project import Project, find_project, list_options, resource_dirs
from sesemi_search.config.schema import OPEN_NODES, ExperimentConfig, RunExperimentConfig, SearchExperimentConfig
from sesemi_search.config.validate import check_values

__all__ = [
    "Composed",
    "Request",
    "SpaceOverride",
    "check_key",
    "compose_config",
    "plain",
    "resolve_experiment",
    "to_typed",
]

_PRIMARY = "sesemi_search_primary"
_SCHEMA = "sesemi_search_schema"
_RUN_DEFAULTS: list[Any] = [
    {"tracking": "wandb"},
    {"search/sampler": "tpe"},
    {"search/pruner": "asha"},
    {"space": "???"},
]
_TRAIN_DEFAULTS: list[Any] = [{"tracking": "wandb"}]


@dataclass(frozen=True)
class Request:
    """What a command line asks to compose.

    Attributes:
        search: True for a search (`run`), False for one training run (`train`).
        overrides: Hydra overrides, as typed.
        config_name: `--config-name`: the experiment, by its path on the search path.
        config_dir: `--config-dir`: a folder of YAML that comes before all others.
        project: `--project`.
    """

    search: bool
    overrides: Sequence[str] = ()
    config_name: str | None = None
    config_dir: Path | None = None
    project: Path | None = None


@dataclass(frozen=True)
class SpaceOverride:
    """One `space.PATH=VALUE` or `~space.PATH` of the command line; `path` is without `space.`."""

    path: tuple[str, ...]
    value: Any = None
    delete: bool = False


@dataclass(frozen=True)
class Composed:
    """A composed config, typed, closed and unresolved, and where it came from."""

    config: DictConfig
    project: Project | None
    space_overrides: Sequence[SpaceOverride]
    notes: Sequence[str]


def compose_config(request: Request) -> Composed:
    """Composes what a command line asks for.

    Raises:
        ConfigError: Any mistake in the command line or in a YAML file.
    """
    project = find_project(request.project, request.config_dir)
    folders = _search_path(request, project)
    overrides = _parse(request.overrides)
    raise_problems([*_check_choices(request, overrides, folders), *_check_keys(request, overrides)])
    config = _compose(request, overrides, folders)
    choice = next((str(o.value()) for o in overrides if o.key_or_group == "space"), None)
    if request.search and OmegaConf.is_missing(config.search, "name"):
        config.search.name = choice
    raise_problems([*_check_missing(config), *check_values(config)])
    return Composed(config, project, _space_overrides(overrides), _shadowed(project))


def to_typed(config: DictConfig) -> Any:
    """Resolves a config and returns it as the dataclasses of the schema, open nodes as plain containers.

    Raises:
        ConfigError: An interpolation that leads nowhere, a value of the wrong type, a missing value.
    """
    try:
        return OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error)) from error


def _search_path(request: Request, project: Project | None) -> list[Path]:
    """The folders of YAML: the one given, then the user's, then ours."""
    folders = [*(project.config_dirs if project else []), *resource_dirs()]
    if request.config_dir is None:
        return folders
    if not request.config_dir.is_dir():
        raise ConfigError(f"--config-dir: {request.config_dir} is not a folder.")
    return [request.config_dir.resolve(), *folders]


def _parse(overrides: Sequence[str]) -> list[Override]:
    """Parses overrides, each with its own error."""
    parsed, problems = [], []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(text)
            if override.is_sweep_override():
                raise ConfigError(f"{text}: a sweep of Hydra's; the values of a search belong into its space: '{{choice: [...]}}'.")
            parsed.append(override)
        except HydraException as error:
            problems.append(f"{text}: not an override KEY=VALUE ({str(error).splitlines()[0]})")
        except ConfigError as error:
            problems.append(str(error))
    raise_problems(problems)
    return parsed


def _is_space_override(override: Override) -> bool:
    return override.key_or_group.startswith("space.")


def _is_choice(override: Override) -> bool:
    """Whether an override picks an option of a config group."""
    key = override.key_or_group
    return "/" in key or (key in ("space", "data", "tracking") and not isinstance(override.value(), dict))


def _space_overrides(overrides: Sequence[Override]) -> list[SpaceOverride]:
    """Takes the overrides of the space out, in order."""
    return [
        SpaceOverride(tuple(o.key_or_group.split(".")[1:]), None if o.is_delete() else o.value(), o.is_delete())
        for o in overrides
        if _is_space_override(o)
    ]


def _check_choices(request: Request, overrides: Sequence[Override], folders: list[Path]) -> Iterator[str]:
    """Holds group choices and the config's name against what there is."""
    if request.search and not any(o.key_or_group == "space" for o in overrides):
        names = [name for name, _ in list_options("space", folders)]
        yield f"space: missing; say which space to search, space=NAME. There are: {', '.join(names) or 'none'}."
    if request.config_name is not None:
        name = request.config_name.removesuffix(".yaml")
        if not any((folder / f"{name}.yaml").is_file() for folder in folders):
            names = [file.stem for folder in folders for file in sorted(folder.glob("*.yaml"))]
            yield (
                f"--config-name: there is no {name}.yaml in {', '.join(map(str, folders))}.{suggest(name, names)}"
                + (f" There are: {', '.join(names)}." if names else "")
            )
    elif not request.search:
        yield "--config-name: missing; say which experiment to train, --config-name NAME (and --config-dir DIR)."
    for override in overrides:
        if not _is_choice(override) or override.is_delete():
            continue
        group, value = override.key_or_group, override.value()
        names = [name for name, _ in list_options(group, folders)]
        if not names:
            yield f"{group}: there is no such config group."
        elif value is not None and value not in names:
            yield f"{group}: got {value!r}; there are: {', '.join(names)}.{suggest(str(value), names)}"


def _schema(request: Request) -> type:
    return SearchExperimentConfig if request.search else RunExperimentConfig


def _check_keys(request: Request, overrides: Sequence[Override]) -> Iterator[str]:
    """Holds the keys of value overrides against the schema."""
    for override in overrides:
        key = override.key_or_group
        if _is_choice(override) or _is_space_override(override) or key.startswith("hydra"):
            continue
        yield from check_key(_schema(request), key)


def check_key(schema: type, key: str) -> Iterator[str]:
    """Yields what is wrong with a dotted key: the part that the schema does not know, and the nearest that it does."""
    parts = key.split(".")
    node: Any = schema
    for depth, part in enumerate(parts):
        if not is_dataclass(node):
            return
        known = {f.name: f.type for f in fields(node)}
        if part not in known:
            parent = ".".join(parts[:depth]) or "the config"
            yield f"{key}: {parent} has no key {part!r}; it has {', '.join(known)}.{suggest(part, known)}"
            return
        node = known[part]


def _compose(request: Request, overrides: Sequence[Override], folders: list[Path]) -> DictConfig:
    """Lets Hydra compose."""
    name = [] if request.config_name is None else [f"/{request.config_name.removesuffix('.yaml')}@_global_"]
    defaults = _RUN_DEFAULTS if request.search else _TRAIN_DEFAULTS
    store = ConfigStore.instance()
    store.store(name=_SCHEMA, node=_schema(request))
    store.store(name=_PRIMARY, node={"defaults": [_SCHEMA, *name, *defaults, {"optional data": None}, "_self_"]})
    search_path = ",".join("'file://" + str(folder).replace("'", "\\'") + "'" for folder in folders[1:])
    hydra_overrides = [_for_hydra(o) for o in overrides if not _is_space_override(o)]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(folders[0]), job_name="sesemi-search"):
            return compose(_PRIMARY, overrides=[f"hydra.searchpath=[{search_path}]", *hydra_overrides])
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error)) from error


def _for_hydra(override: Override) -> str:
    """An open node takes new keys without a `+`."""
    text = override.input_line or ""
    if any(override.key_or_group.startswith(node + ".") for node in OPEN_NODES) and text[0] not in "+~":
        return "++" + text
    return text


def _check_missing(config: DictConfig) -> Iterator[str]:
    """Finds mandatory values that nothing set."""
    for key in sorted(OmegaConf.missing_keys(config)):
        yield f"{key}: missing; no config sets it, and there is no default."


def _shadowed(project: Project | None) -> list[str]:
    """Says which of our files a project's file of the same name stands in for."""
    if project is None:
        return []
    ours = {f.relative_to(folder) for folder in resource_dirs() for f in folder.rglob("*.yaml")}
    theirs = {f.relative_to(folder): f for folder in project.config_dirs for f in folder.rglob("*.yaml")}
    return [f"{theirs[name]} is used in place of our own {name}" for name in sorted(ours & theirs.keys())]


def _explain(error: BaseException) -> str:
    """Turns an exception of Hydra's or OmegaConf's into one message with the file, the dotted key and a near name."""
    chain = list(_causes(error))
    deepest = next((e for e in reversed(chain) if isinstance(e, OmegaConfBaseException)), None)
    outer = str(error).strip().splitlines() or [type(error).__name__]
    if isinstance(error, MissingConfigException):
        return _explain_missing(error)
    if deepest is None:
        return " ".join(line.strip() for line in outer)
    where = next((m[1] + ".yaml: " for e in chain for m in [re.match(r"In '(.+?)'", str(e))] if m), "")
    key = getattr(deepest, "full_key", None) or ""
    problem = next(check_key(SearchExperimentConfig, key), None) if key else None
    reason = (str(deepest.msg) if getattr(deepest, "msg", None) else str(deepest)).strip().splitlines()[0]
    return where + (problem or (f"{key}: {reason}" if key else reason))


def _explain_missing(error: MissingConfigException) -> str:
    """A defaults list names a file that is not there."""
    options = list(error.options or ())
    first = str(error).strip().splitlines()[0]
    near = suggest(Path(error.missing_cfg_file or "").name, options)
    return f"{first}.{near}" + (f" There are: {', '.join(options)}." if options else "")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def plain(config: Mapping[str, Any] | DictConfig) -> dict[str, Any]:
    """Returns a config as plain containers, interpolations unresolved and enums by name."""
    node = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
    container: dict[str, Any] = OmegaConf.to_container(node, resolve=False, enum_to_str=True)  # type: ignore[assignment]
    return container


def resolve_experiment(container: Mapping[str, Any] | DictConfig) -> DictConfig:
    """Returns an experiment (run, data, learner) typed, closed and with interpolations resolved.

    Raises:
        ConfigError: A key that the schema does not know, a value of the wrong type, an interpolation to nowhere.
    """
    try:
        config = OmegaConf.merge(OmegaConf.structured(ExperimentConfig), container)
        OmegaConf.resolve(config)
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error)) from error
    assert isinstance(config, DictConfig)
    return config


def override_config(config: Any, overrides: Sequence[str], allowed: Sequence[str]) -> DictConfig:
    """Returns a composed config with plain values set anew, as for a search that goes on.

    Args:
        config: A typed config.
        overrides: `KEY=VALUE`.
        allowed: Beginnings of the keys that may change.

    Raises:
        ConfigError: Another key, one that the schema does not know, or a value of the wrong type.
    """
    parsed = _parse(overrides)
    problems = []
    for override in parsed:
        key = override.key_or_group
        if not key.startswith(tuple(allowed)):
            problems.append(f"{key}: cannot change any more; what can is {', '.join(a + '*' for a in allowed)}")
        problems.extend(check_key(SearchExperimentConfig, key))
    raise_problems(problems)
    try:
        for override in parsed:
            OmegaConf.update(config, override.key_or_group, override.value())
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error)) from error
    raise_problems(list(check_values(config)))
    assert isinstance(config, DictConfig)
    return config
