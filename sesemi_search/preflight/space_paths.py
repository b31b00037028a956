"""A space held against the experiment and its schema, before anything is built: its paths, its lists, its domains."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from sesemi_search.config.annotations import (
    argument_annotations,
    describe_plain,
    element_annotation,
    is_plain_value,
    plain_types,
)
from sesemi_search.config.experiment import Written
from sesemi_search.config.hydra_errors import check_key, check_section
from sesemi_search.config.keys import Key, known_keys
from sesemi_search.config.schema import OPEN_NODES, ExperimentConfig
from sesemi_search.config.targets import check_argument_names, locate
from sesemi_search.errors import ConfigError, Problem
from sesemi_search.preflight.misread_domains import (
    describe_list,
    describe_mapping,
    holds_domain,
    scalar_defaults,
    takes_container,
)
from sesemi_search.space.domains import Choice, Constant, Entries, Float, Int, Listing, Node, Options, Tree
from sesemi_search.space.space import children, join

__all__ = ["check_paths", "check_tree"]

_TARGET = "_target_"


@dataclass(frozen=True)
class _Place:
    """What is known of the place of the experiment that a node of the space goes to.

    Attributes:
        base: What the experiment has there, None for nothing.
        annotation: What the schema or the signature says may be there, Any where they say nothing.
        scalar: A number, a bool or a string that is there, by the experiment or as the default of an argument; None
            where something else is, where nothing is known, or where a list or a mapping may be there all the same.
    """

    base: Any
    annotation: Any
    scalar: Any = None

    @property
    def is_plain(self) -> bool:
        """Whether no list and no mapping can be there."""
        return self.scalar is not None or plain_types(self.annotation) is not None

    def describe(self) -> str:
        """Says what is there, or what may be."""
        if plain_types(self.annotation) is not None:
            return f"It takes {_describe(self.annotation)}."
        whose = "The experiment has" if self.base is not None else "By default, there is"
        return f"{whose} {self.scalar!r} there; what is meant to replace it as it stands is written {{literal: ...}}."


def check_tree(root: Tree, experiment: Written) -> list[Problem]:
    """Returns what is wrong with a space over an experiment, as far as one sees without building anything.

    Args:
        root: The space.
        experiment: The experiment as it is written.
    """
    problems = list(_check_node(root, "space", _Place(experiment, ExperimentConfig)))
    # Of a node that cannot be there at all, its keys cannot either.
    refused = tuple(f"{problem.key}." for problem in problems)
    return [*(problem for problem in check_paths(root, "") if not problem.key.startswith(refused)), *problems]


def check_paths(node: Node, path: str) -> Iterator[Problem]:
    """Holds the paths of a space against the schema; below an open node the target's signature decides."""
    if known_keys(ExperimentConfig).get(path, Key()).is_shared:
        yield Problem(f"space.{path}", f"is the same for every trial of a search; set {path} itself.")
    elif path in OPEN_NODES:
        return
    elif path:
        yield from map(_in_space, check_key(ExperimentConfig, path))
        if not isinstance(node, Tree | Options | Entries):
            value = node.value if isinstance(node, Constant) else f"a {type(node).__name__.lower()}"
            yield from map(_in_space, check_section(ExperimentConfig, path, value))
    fragments = node.nodes.values() if isinstance(node, Options) else ()
    below = [(path, fragment) for fragment in fragments]
    if not isinstance(node, Listing | Entries):  # whose parts have numbers and no keys
        below += [(join(path, part), child) for part, child in children(node)]
    if isinstance(node, Constant) and isinstance(node.value, Mapping):
        below += [(join(path, str(part)), Constant(value)) for part, value in node.value.items()]
    for child_path, child in below:
        yield from check_paths(child, child_path)


def _in_space(problem: Problem) -> Problem:
    return replace(problem, key=f"space.{problem.key}")


def _check_node(node: Node, key: str, place: _Place) -> Iterator[Problem]:
    """Yields what cannot be at a key of the space, `key` as it is written there."""
    match node:
        case Options():
            # What has a name of its own is meant as it stands, whatever plain value the experiment has there.
            for option, child in node.nodes.items():
                yield from _check_node(child, f"{key}.choice.{option}", replace(place, scalar=None))
        case Tree():
            yield from _check_mapping(node, key, place)
        case Entries():
            yield from _check_entries(node, key, place)
        case Listing():
            yield from _check_list(node, key, place)
        case Constant():
            return  # a value that the config itself refuses, or takes after all ("3" for 3)
        case _:
            yield from _check_domain(node, key, place.annotation)


def _check_list(node: Listing, key: str, place: _Place) -> Iterator[Problem]:
    # Who writes a domain into a list means the list.
    if place.is_plain and not (plain_types(place.annotation) is None and holds_domain(node)):
        types = plain_types(place.annotation) or frozenset({type(place.scalar)})
        yield Problem(key, describe_list(node, place.describe(), types))
        return
    for part, child in children(node):
        yield from _check_node(child, f"{key}.{part}", _Place(None, element_annotation(place.annotation)))


def _check_domain(node: Float | Int | Choice, key: str, annotation: Any) -> Iterator[Problem]:
    types = plain_types(annotation)
    if types is None:
        return
    if isinstance(node, Choice):
        for i, value in enumerate(node.values):
            if not (is_plain_value(types, value) or _is_unresolved(value)):
                yield Problem(f"{key}.choice.{i}", f"got {value!r}; {key} takes {_describe(annotation)}.")
    elif not is_plain_value(types, node.low):
        what = "a float domain" if isinstance(node, Float) else "an int domain"
        yield Problem(key, f"got {what}, [{node.low}, {node.high}]; it takes {_describe(annotation)}.")


def _check_entries(node: Entries, key: str, place: _Place) -> Iterator[Problem]:
    base, annotation = place.base, element_annotation(place.annotation)
    if _is_unresolved(base):
        return  # applying says so
    if not isinstance(base, list):
        there = "nothing" if base is None else "a mapping" if isinstance(base, Mapping) else repr(base)
        yield Problem(
            key,
            f"whole numbers as keys are places in a list of the experiment's, which has {there} there. "
            "Names of digits are written in quotes; a list of its own as a list.",
        )
        return
    for i, child in node.nodes.items():
        if i < len(base):
            yield from _check_node(child, f"{key}.{i}", _Place(base[i], annotation, _scalar(base[i])))
        else:
            yield Problem(f"{key}.{i}", f"the experiment's list has {len(base)} entries, the first is 0.")


def _check_mapping(node: Tree, key: str, place: _Place) -> Iterator[Problem]:
    """Checks a mapping's children by the schema's keys or by the signature of the target that they are arguments of."""
    base, has_target = place.base, _TARGET in node.nodes
    if isinstance(base, list) and not has_target:
        names = ", ".join(node.nodes)
        yield Problem(key, f"got the names {names}; the experiment has a list there, whose places are 0, 1, ...")
        return
    if place.is_plain and not has_target and node.nodes:
        yield Problem(key, describe_mapping(node, place.describe()))
        return
    own = {} if has_target or not isinstance(base, Mapping) else base
    annotations: Mapping[str, Any] = {}
    scalars = {str(name): _scalar(value) for name, value in own.items()}
    if is_dataclass(place.annotation):
        annotations = {f.name: f.type for f in fields(place.annotation)}
        scalars = {}  # the schema knows, also where it takes both, as `data.class_weights` does
    else:
        target = node.nodes.get(_TARGET, Constant(own.get(_TARGET)))
        try:
            function = _find_target(target, key)
        except ConfigError as error:
            if has_target:
                yield from error.problems
            function = None
        if function is not None and isinstance(target, Constant):
            yield from check_argument_names(function, target.value, key, node.nodes)
            annotations = argument_annotations(function)
            defaults = {name: value for name, value in scalar_defaults(function).items() if own.get(name) is None}
            scalars = {**scalars, **defaults, **dict.fromkeys(takes_container(function))}
    for part, child in children(node):
        # Who writes a list beside the target means the list: an argument may take a number or several.
        scalar = None if has_target and isinstance(child, Listing) else scalars.get(part)
        there = _Place(own.get(part), annotations.get(part, Any), scalar)
        yield from _check_node(child, f"{key}.{part}", there)


def _find_target(node: Node, key: str) -> Callable[..., Any] | None:
    """Returns the target of a mapping, None where it has none or one that only a sample knows."""
    if not isinstance(node, Constant) or node.value is None or _is_unresolved(node.value):
        return None
    return locate(node.value, key)


def _scalar(value: Any) -> Any:
    """Returns a number, a bool or a string, None for all else; an interpolation may lead to anything."""
    return value if isinstance(value, int | float | str) and not _is_unresolved(value) else None


def _is_unresolved(value: Any) -> bool:
    return isinstance(value, str) and ("${" in value or value == "???")


def _describe(annotation: Any) -> str:
    types = plain_types(annotation)
    assert types is not None
    return describe_plain(types)
