"""Where a dotted key was written last: the file and its line, or the command line.

It is asked only when there is something to complain about, and then reads the files once more, as YAML with marks. What
they mean is none of its business: a key that it does not find has no address, and the message stays as it was.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.types import Override

from sesemi_search.config.schema import OPEN_NODES
from sesemi_search.config.sesemi_keys import their_key
from sesemi_search.config.targets import is_other_class
from sesemi_search.errors import ConfigError, Problem, raise_problems

__all__ = ["SourceLines", "Source"]

_COMMAND_LINE = "command line"
_TARGET, _CHOICE, _SPACE = "_target_", "choice", "space"
# What makes a node of the space replace that of the experiment.
_REPLACING = {_TARGET, _CHOICE, "float", "int", "literal"}


@dataclass(frozen=True)
class Source:
    """A YAML file that takes part in a config; `package` is the dotted key that its content goes to."""

    file: Path
    package: str


@dataclass
class _Place:
    """One node of a config: where it was written, its children, and what it is where it is one value.

    `parts` counts the files that wrote some of the children.
    """

    where: str
    children: dict[str, "_Place"] = field(default_factory=dict)
    is_list: bool = False
    parts: int = 1
    value: str = ""

    def step(self, part: str) -> "_Place | None":
        """Returns a child; of a choice, the option of that name, or the one option that has such a child."""
        if part in self.children:
            return self.children[part]
        options = self.children[_CHOICE].children if _CHOICE in self.children else {}
        if part in options:
            return options[part]
        inside = [option.children[part] for option in options.values() if part in option.children]
        return inside[0] if len(inside) == 1 else None

    @property
    def target(self) -> str:
        """The dotted path of the class that a node names."""
        return self.children[_TARGET].value if _TARGET in self.children else ""

    @property
    def address(self) -> str | None:
        """Where it was written, None where it is a mapping that several files have filled."""
        if self.parts == 1:
            return self.where
        return self.children[_TARGET].where if _TARGET in self.children else None


class SourceLines:
    """Answers where the keys of one composed config were written.

    Args:
        sources: Gives the files, a later one over those before it; called at the first question.
        overrides: The command line.
    """

    def __init__(self, sources: Callable[[], Iterable[Source]] = tuple, overrides: Sequence[Override] = ()) -> None:
        self._sources = sources
        self._overrides = overrides

    @contextmanager
    def added(self) -> Iterator[None]:
        """Adds addresses to the problems of a `ConfigError` that leaves the block."""
        try:
            yield
        except ConfigError as error:
            problems = [self.add(problem) for problem in error.problems]
            if problems == error.problems:
                raise
            raise_problems(problems, cause=error.__cause__ or error)

    def find(self, key: str) -> str | None:
        """Returns where a dotted key was written last, None where nobody knows.

        A key of the experiment is where the space has it, if it does; a key that is not there (an argument that is
        missing) where the `_target_` is that it belongs to. Only a command line drops one, `~KEY`.
        """
        if key.startswith("~"):
            return _COMMAND_LINE
        return self._find(key.split(".")) or self._find(their_key(key).split("."))

    def _find(self, parts: list[str]) -> str | None:
        if parts[0] != _SPACE:
            over = _follow(self._root, [_SPACE, *parts])
            if over is not None and (over.is_list or not over.children or over.children.keys() & _REPLACING):
                return over.address
        place = _follow(self._root, parts)
        return None if place is None else place.address

    def add(self, problem: Problem) -> Problem:
        """Returns a problem with the address of its key, where it has a key that is known and no address yet."""
        where = self.find(problem.key) if problem.key and not problem.source else None
        return problem if where is None else replace(problem, source=where)

    @cached_property
    def _root(self) -> _Place:
        root = _Place("")
        try:
            for source in self._sources():
                _merge(root, _wrap(_read(source.file), source.package))
        except Exception:
            # The files are broken in one of many ways, which the message itself is about; what was read counts.
            pass
        for override in self._overrides:
            _override(root, override)
        return root


def _follow(root: _Place, parts: Sequence[str]) -> _Place | None:
    """Returns the place of a key, or that of the target which lacks the last part of it."""
    place = root
    for i, part in enumerate(parts):
        if (whole := ".".join(parts[i:])) in place.children:  # the name of a parameter, which is one key
            return place.children[whole]
        child = place.step(part)
        if child is None:
            return place if i == len(parts) - 1 and _TARGET in place.children else None
        place = child
    return place


def _read(file: Path) -> _Place:
    """Reads the keys of a YAML file with their lines."""
    loader = yaml.SafeLoader(file.read_text(encoding="utf-8"))
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    try:
        return _place(loader, loader.get_single_node(), str(shown), 0)
    finally:
        loader.dispose()


def _place(loader: Any, node: yaml.Node | None, file: str, line: int) -> _Place:
    place = _Place(f"{file}, line {line + 1}")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = _place(loader, value, file, key.start_mark.line)
            if key.tag == "tag:yaml.org,2002:merge":
                merged = list(inner.children.values()) if inner.is_list else [inner]
                for each in merged:
                    place.children = {**each.children, **place.children}
            else:
                place.children[str(loader.construct_object(key))] = inner
    elif isinstance(node, yaml.SequenceNode):
        place.is_list = True
        for i, item in enumerate(node.value):
            place.children[str(i)] = _place(loader, item, file, item.start_mark.line)
    elif node is not None:
        place.value = node.value
    return place


def _wrap(place: _Place, package: str) -> _Place:
    """Puts the content of a file below its package."""
    for part in reversed(package.split(".") if package else []):
        place = _Place(place.where, {part: place})
    return place


def _merge(into: _Place, new: _Place, key: str = "") -> None:
    """Merges as a config is: mappings key by key, all else whole, and an open node that has another class."""
    for name, child in new.children.items():
        known = into.children.get(name)
        below = f"{key}.{name}" if key else name
        if known is None or known.is_list or child.is_list or not (known.children and child.children):
            into.children[name] = child
        elif below in OPEN_NODES and child.target and known.target and is_other_class(known.target, child.target):
            into.children[name] = child
        else:
            known.parts += 1
            _merge(known, child, below)


def _override(root: _Place, override: Override) -> None:
    """Does to the places what an override does to the config."""
    *path, last = override.key_or_group.split(".")
    is_mapping = isinstance(override.value(), Mapping)
    if "/" in override.key_or_group or override.package is not None or not (path or is_mapping):
        return  # an option of a group, which is among the files
    place = root
    for part in path:
        place = place.step(part) or place.children.setdefault(part, _Place(_COMMAND_LINE))
    options = place.children.get(_CHOICE)
    holder = options if options is not None and last in options.children else place
    if override.is_delete():
        holder.children.pop(last, None)
    elif path[:1] == [_SPACE]:
        holder.children[last] = _pinned(holder.children.get(last), override.value())
    else:
        _merge(holder, _Place("", {last: _from_command_line(override.value())}), ".".join(path))


def _pinned(known: _Place | None, value: Any) -> _Place:
    """Returns what takes the place of a node of the space; a pinned option keeps the lines of its arguments."""
    options = known.children.get(_CHOICE) if known is not None else None
    if options is not None and isinstance(value, str) and value in options.children:
        return _Place(_COMMAND_LINE, options.children[value].children)
    return _from_command_line(value)


def _from_command_line(value: Any) -> _Place:
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    children = {str(name): _from_command_line(child) for name, child in items}
    return _Place(_COMMAND_LINE, children, isinstance(value, list), value="" if children else str(value))
