"""SESEMI's keys of `run`: two that are ours under another name, and some that have no place here.

A key has one name inside: what a file, a command line or a space calls by SESEMI's newer name is renamed where it comes
in, and of a search directory only `search.enqueue` may hold that name. What a key means is the business of
`config.schema`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, make_dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import MISSING, DictConfig, OmegaConf

from sesemi_search.config.keys import known_keys
from sesemi_search.config.schema import RunConfig
from sesemi_search.errors import ConfigError, Problem

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

__all__ = [
    "check_spellings",
    "hint",
    "our_key",
    "our_parameter",
    "rename_override",
    "rename_space",
    "settle_aliases",
    "their_key",
    "with_aliases",
]

_THEIRS = {name: known.sesemi_name for name, known in known_keys(RunConfig).items() if known.sesemi_name}
_OURS = {theirs: ours for ours, theirs in _THEIRS.items()}
_HINTS = {
    "run.strategy": "a run trains on one device here, so leave it out; a search uses several GPUs, a trial on each.",
    "run.num_iterations": "the length of a run is counted in epochs here, run.num_epochs.",
    "run.mode": "the command says what to do here: 'sesemi-search train' trains and then scores the test split.",
    "run.accelerator": "; auto takes a GPU where there is one, and how many a run takes is run.gpus",
}


def with_aliases(schema: type) -> Any:
    """Returns a schema of a whole config that takes both names in `run`.

    What nobody writes is missing there, so that one sees what somebody did.
    """
    types = {each.name: each.type for each in fields(RunConfig)}
    pairs = [(name, types[ours], MISSING) for ours, theirs in _THEIRS.items() for name in (ours, theirs)]
    # OmegaConf's messages hold the name of the class, and `explain` knows it by that of the schema.
    run = make_dataclass(RunConfig.__name__, [*pairs, ("id", str, MISSING)], bases=(RunConfig,))
    return schema(run=run())


def settle_aliases(config: DictConfig, overrides: "Sequence[Override]") -> Iterator[Problem]:
    """Brings what was composed from `with_aliases` to our names, and yields what is set to two values under two names.

    Args:
        config: Changed in place.
        overrides: The command line, which has our names and counts for more than a file.
    """
    run = OmegaConf.to_container(config, resolve=False, enum_to_str=True)["run"]  # type: ignore[index, call-overload]
    if not isinstance(run, dict):
        return  # an interpolation, which others complain of
    typed = {override.key_or_group for override in overrides}
    for theirs, ours in _OURS.items():
        their_value, our_value = run.pop(theirs), run.pop(ours)
        if MISSING not in (their_value, our_value) and their_value != our_value and f"run.{ours}" not in typed:
            yield _twice(f"run.{theirs}", their_value, f"run.{ours}", our_value)
        value = their_value if our_value == MISSING else our_value
        if value != MISSING:
            run[ours] = value
    config.run = OmegaConf.structured(RunConfig)
    for name, value in run.items():
        config.run[name] = value  # merging would keep the default of a key that is `???`


def rename_override(text: str) -> str:
    """Returns an override of a command line with our name for its key."""
    names = "|".join(_OURS)
    return re.sub(rf"^([~+]*(?:space\.)?run\.)({names})(?![\w.])", lambda m: m[1] + _OURS[m[2]], text)


def check_spellings(texts: Sequence[str], overrides: "Sequence[Override]") -> Iterator[Problem]:
    """Yields what a command line sets to two values under two names.

    Args:
        texts: The overrides as they were typed.
        overrides: The same, renamed and parsed.
    """
    seen: dict[str, tuple[str, Any]] = {}
    for text, override in zip(texts, overrides, strict=True):
        name, value = text.split("=")[0].lstrip("+~"), override.value()
        before, other = seen.setdefault(override.key_or_group, (name, value))
        if before != name and other != value:
            yield _twice(before, other, name, value)


def rename_space(space: dict[str, Any]) -> dict[str, Any]:
    """Returns the overlay of a space with our names for the keys of `run`.

    Raises:
        ConfigError: It has a key under both names, and not the same at both.
    """
    return {**space, "run": _rename(space["run"])} if "run" in space else space


def _rename(node: Any) -> Any:
    """Renames the keys of a mapping, or of each option of a choice."""
    if not isinstance(node, Mapping):
        return node
    if isinstance(node.get("choice"), Mapping):
        return {**node, "choice": {name: _rename(fragment) for name, fragment in node["choice"].items()}}
    for theirs, ours in _OURS.items():
        if theirs in node and ours in node and node[theirs] != node[ours]:
            raise ConfigError.of(_twice(f"space.run.{theirs}", node[theirs], f"space.run.{ours}", node[ours]))
    return {_OURS.get(name, name): value for name, value in node.items()}


def our_key(key: str) -> str:
    """Returns a dotted key by our name."""
    return _swap(key, _OURS)


def our_parameter(name: str) -> str:
    """Returns the name of a parameter of a space, or the end of it, by our name for a key of `run`."""
    parent, dot, last = name.rpartition(".")
    return f"{parent}{dot}{_OURS.get(last, last)}"


def their_key(key: str) -> str:
    """Returns a dotted key by SESEMI's newer name."""
    return _swap(key, _THEIRS)


def hint(key: str) -> str:
    """Returns what to do instead of a key or value of SESEMI's that has no place here; an empty string for others."""
    return _HINTS.get(key.removeprefix("space."), "")


def _swap(key: str, names: Mapping[str, str]) -> str:
    parent, _, name = key.rpartition(".")
    return f"{parent}.{names.get(name, name)}" if parent in ("run", "space.run") else key


def _twice(key: str, value: Any, other: str, other_value: Any) -> Problem:
    return Problem(
        key, f"got {value!r}, and {other} is {other_value!r}; these are two names of one key. Set one of them."
    )
