"""The overrides of a command line: parsed, held against what there is, those of the space taken out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sesemi_search.config.experiment import check_values
from sesemi_search.config.hydra_errors import check_key, check_section, explain
from sesemi_search.config.schema import OPEN_NODES, SearchExperimentConfig
from sesemi_search.config.sesemi_keys import check_spellings, rename_override
from sesemi_search.errors import ConfigError, Problem, raise_problems, suggest
from sesemi_search.project.project import list_options

__all__ = [
    "SpaceOverride",
    "check_choices",
    "check_keys",
    "chosen",
    "for_hydra",
    "override_config",
    "parse_overrides",
    "space_overrides",
]

# Groups of ours that have the name of a section of the schema.
_CHOICES = ("space", "data", "tracking")
# Groups of ours that a file may choose of as well as the command line.
_GROUPS = ("data", "tracking", "search/sampler", "search/pruner")


@dataclass(frozen=True)
class SpaceOverride:
    """One `space.PATH=VALUE` or `~space.PATH` of the command line; `path` is without `space.`."""

    path: tuple[str, ...]
    value: Any = None
    delete: bool = False


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Parses overrides, each with its own error."""
    parsed: list[Override] = []
    problems: list[Problem] = []
    for text in overrides:
        try:
            override = OverridesParser.create().parse_override(rename_override(text))
            if override.is_sweep_override():
                raise ConfigError(
                    text, "a sweep of Hydra's; the values of a search belong into its space: '{choice: [...]}'."
                )
            if not override.key_or_group:
                raise ConfigError(text, "not an override KEY=VALUE (it has no key).")
            parsed.append(override)
        except HydraException as error:
            problems.append(Problem(text, f"not an override KEY=VALUE ({str(error).splitlines()[0]})"))
        except ConfigError as error:
            problems += error.problems
    raise_problems(problems)
    raise_problems(list(check_spellings(overrides, parsed)))
    return parsed


def space_overrides(overrides: Sequence[Override]) -> list[SpaceOverride]:
    """Takes the overrides of the space out, in order."""
    return [
        SpaceOverride(tuple(o.key_or_group.split(".")[1:]), None if o.is_delete() else o.value(), o.is_delete())
        for o in overrides
        if _is_space_override(o)
    ]


def check_choices(overrides: Sequence[Override], folders: list[Path]) -> Iterator[Problem]:
    """Holds the options that are picked of config groups against what there is."""
    for override in overrides:
        if not _is_choice(override, folders):
            continue
        if override.is_delete():
            if override.key_or_group in _GROUPS:
                yield Problem(
                    f"~{override.key_or_group}", f"there is always one; choose another, {override.key_or_group}=NAME."
                )
            continue
        group, value = override.key_or_group, override.value()
        if group.split("/")[0] == "hydra":
            continue
        names = [name for name, _ in list_options(group, folders)]
        if not names:
            yield Problem(group, "there is no such config group.")
            continue
        # Pieces of a space join, head@space.learner.hparams.model=[linear,mlp]; elsewhere there is one of each.
        picked = value if isinstance(value, list) and override.package is not None else [value]
        for name in [name for name in picked if name not in names]:
            yield Problem(group, f"got {name!r}; there are: {', '.join(names)}.{suggest(str(name), names)}")


def check_keys(schema: type, overrides: Sequence[Override], folders: list[Path]) -> Iterator[Problem]:
    """Holds the keys of value overrides against the schema."""
    for override in overrides:
        key = override.key_or_group
        if re.split("[./]", key)[0] == "hydra":
            yield Problem(
                key,
                "Hydra's own settings have no effect here; a folder of YAML to search is --config-dir, where "
                "results go is run.dir and search.dir.",
            )
        elif key in ("search/sampler", "search/pruner") and schema is not SearchExperimentConfig:
            yield Problem(key, "a single training run takes no sampler and no pruner, a search does; leave it out.")
        elif not (_is_choice(override, folders) or _is_space_override(override)):
            yield from check_key(schema, key)
            if key in {f.name for f in fields(schema)} or not override.is_delete():
                yield from check_section(schema, key, override.value())
                yield from _check_list(key, override.value())


def _check_list(key: str, value: Any) -> Iterator[Problem]:
    """Yields what is wrong with a list of paths or of configs; OmegaConf's message does not say what to write."""
    if key == "search.warm_start" and not isinstance(value, list):
        yield Problem(key, f"got {value!r}; it takes a list of search directories, {key}=[DIR,...].")
    if key == "search.enqueue":
        items = value if isinstance(value, list) else [None]
        if not all(isinstance(item, dict) and all(isinstance(name, str) for name in item) for item in items):
            yield Problem(
                key, f"got {value!r}; it takes a list of configs by the names of parameters, {key}=[{{lr: 0.1}}]."
            )


def chosen(overrides: Sequence[Override]) -> list[dict[str, list[str]]]:
    """Returns what a command line chooses of our groups, as items of a defaults list."""
    options = {o.key_or_group: str(o.value()) for o in overrides if _chooses(o)}
    return [{group: [name]} for group, name in options.items()]


def for_hydra(override: Override) -> str:
    """Returns an override as Hydra is to see it.

    An open node takes new keys without a `+`. An option of ours is a list of one, which unlike a name may stand more
    than once in the defaults lists: where a file chooses, and behind all files.
    """
    text = override.input_line or ""
    if _chooses(override):
        return f"{override.key_or_group}=[{text.partition('=')[2]}]"
    if any(f"{override.key_or_group}.".startswith(f"{node}.") for node in OPEN_NODES) and text[0] not in "+~":
        return "++" + text
    return text


def override_config(config: Any, overrides: Sequence[str], allowed: Sequence[str]) -> DictConfig:
    """Returns a composed config with plain values set anew, as for a search that goes on.

    Args:
        config: A typed config.
        overrides: `KEY=VALUE`.
        allowed: Keys that may change, and sections, `tracking.`, whose keys may.

    Raises:
        ConfigError: Another key, one that the schema does not know, or a value of the wrong type.
    """
    # `tracking=none` picks an option of a group; without Hydra, its one key is set.
    changes = [
        ("tracking.kind" if o.key_or_group == "tracking" else o.key_or_group, o) for o in parse_overrides(overrides)
    ]
    problems = []
    for key, override in changes:
        sections = tuple(name for name in allowed if name.endswith("."))
        if override.is_delete() or not (key in allowed or key.startswith(sections)):
            named = ", ".join(f"{name}*" if name in sections else name for name in allowed)
            problems.append(Problem(key, f"cannot change any more; what can is {named}"))
        problems.extend(check_key(SearchExperimentConfig, key))
    raise_problems(problems)
    try:
        for key, override in changes:
            OmegaConf.update(config, key, override.value())
    except OmegaConfBaseException as error:
        raise ConfigError.of(explain(error)) from error
    raise_problems(list(check_values(config)))
    assert isinstance(config, DictConfig)
    return config


def _chooses(override: Override) -> bool:
    """Whether an override picks an option of a group of ours; `+data=NAME` is `data=NAME`."""
    known = override.key_or_group in _GROUPS and override.package is None
    return known and isinstance(override.value(), str) and not override.is_delete()


def _is_space_override(override: Override) -> bool:
    return override.key_or_group.startswith("space.")


def _is_choice(override: Override, folders: list[Path]) -> bool:
    """Whether an override picks an option of a config group, as Hydra sees it: a group is a folder of YAML."""
    key = override.key_or_group
    if isinstance(override.value(), dict):
        return False
    if "/" in key or override.package is not None or key in _CHOICES:
        return True
    sections = {f.name for f in fields(SearchExperimentConfig)}
    return key not in sections and any((folder / key).is_dir() for folder in folders)
