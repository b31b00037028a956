"""A space held against the experiment and its schema, before anything is built: its paths, its lists, its domains."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from sesemi_search.config.annotations import (
    argument_annotations,
    describe_plain,
    element_annotation,
    is_plain_value,
    plain_types,
)
from sesemi_search.config.errors import ConfigError
from sesemi_search.config.explain import check_key, check_section
from sesemi_search.config.schema import OPEN_NODES, ExperimentConfig
from sesemi_search.config.targets import check_argument_names, locate
from sesemi_search.space.domains import Choice, Constant, Entries, Float, Int, Listing, Node, Options, Tree
from sesemi_search.space.space import children, join

__all__ = ["check_paths", "check_tree"]

_TARGET = "_target_"
# What every trial of a search shares: Ray gives each the same resources, and the images are loaded once.
_SHARED = (
    *("run.gpus", "run.num_threads", "run.accelerator", "run.dir", "run.data_root", "run.id"),
    *("run.resume_from_checkpoint", "run.pretrained_checkpoint_path", "learner.hparams.num_classes"),
    *("run.num_workers", "run.prefetch_factor", "run.memory_share"),
    *("data.source", "data.test_source", "data.image_size", "data.channels", "data.val_size", "data.test_size"),
    *("data.split_seed", "data.train_fraction", "data.skip_corrupt"),
)


def check_tree(root: Tree, experiment: Mapping[str, Any]) -> list[str]:
    """Returns what is wrong with a space over an experiment, as far as one sees without building anything.

    Args:
        root: The space.
        experiment: The experiment's config, plain and unresolved.
    """
    return [*check_paths(root, ""), *_check_node(root, "space", experiment, ExperimentConfig)]


def check_paths(node: Node, path: str) -> Iterator[str]:
    """Holds the paths of a space against the schema; below an open node the target's signature decides."""
    if path in _SHARED:
        yield f"space.{path}: is the same for every trial of a search; set {path} itself."
    elif path in OPEN_NODES:
        return
    elif path:
        yield from (f"space.{problem}" for problem in check_key(ExperimentConfig, path))
        if not isinstance(node, Tree | Options | Entries):
            value = node.value if isinstance(node, Constant) else f"a {type(node).__name__.lower()}"
            yield from (f"space.{problem}" for problem in check_section(ExperimentConfig, path, value))
    fragments = node.nodes.values() if isinstance(node, Options) else ()
    below = [(path, fragment) for fragment in fragments]
    if not isinstance(node, Listing | Entries):  # whose parts have numbers and no keys
        below += [(join(path, part), child) for part, child in children(node)]
    if isinstance(node, Constant) and isinstance(node.value, Mapping):
        below += [(join(path, str(part)), Constant(value)) for part, value in node.value.items()]
    for child_path, child in below:
        yield from check_paths(child, child_path)


def _check_node(node: Node, key: str, base: Any, annotation: Any) -> Iterator[str]:
    """Yields what cannot be at a key of the space.

    Args:
        node: What the space has there.
        key: Its dotted key, as it is written in the space.
        base: What the experiment has there, None for nothing.
        annotation: What the schema or the signature says may be there, Any where they say nothing.
    """
    match node:
        case Options():
            for option, child in node.nodes.items():
                yield from _check_node(child, f"{key}.choice.{option}", base, annotation)
        case Tree():
            yield from _check_mapping(node, key, base, annotation)
        case Entries():
            yield from _check_entries(node, key, base, annotation)
        case Listing():
            if plain_types(annotation) is not None:
                yield f"{key}: got a list; it takes {_describe(annotation)}."
            for part, child in children(node):
                yield from _check_node(child, f"{key}.{part}", None, element_annotation(annotation))
        case Constant():
            return  # a value that the config itself refuses, or takes after all ("3" for 3)
        case _:
            yield from _check_domain(node, key, annotation)


def _check_domain(node: Float | Int | Choice, key: str, annotation: Any) -> Iterator[str]:
    types = plain_types(annotation)
    if types is None:
        return
    if isinstance(node, Choice):
        for i, value in enumerate(node.values):
            if not (is_plain_value(types, value) or _is_unresolved(value)):
                yield f"{key}.choice.{i}: got {value!r}; {key} takes {_describe(annotation)}."
    elif not is_plain_value(types, node.low):
        what = "a float domain" if isinstance(node, Float) else "an int domain"
        yield f"{key}: got {what}, [{node.low}, {node.high}]; it takes {_describe(annotation)}."


def _check_entries(node: Entries, key: str, base: Any, annotation: Any) -> Iterator[str]:
    if _is_unresolved(base):
        return  # applying says so
    if not isinstance(base, list):
        there = "nothing" if base is None else "a mapping" if isinstance(base, Mapping) else repr(base)
        yield (
            f"{key}: whole numbers as keys are places in a list of the experiment's, which has {there} there. "
            "Names of digits are written in quotes; a list of its own as a list."
        )
        return
    for i, child in node.nodes.items():
        if i < len(base):
            yield from _check_node(child, f"{key}.{i}", base[i], element_annotation(annotation))
        else:
            yield f"{key}.{i}: the experiment's list has {len(base)} entries, the first is 0."


def _check_mapping(node: Tree, key: str, base: Any, annotation: Any) -> Iterator[str]:
    """Checks a mapping's children by the schema's keys or by the signature of the target that they are arguments of."""
    if isinstance(base, list) and _TARGET not in node.nodes:
        names = ", ".join(node.nodes)
        yield f"{key}: got the names {names}; the experiment has a list there, whose places are 0, 1, ..."
        return
    own = {} if _TARGET in node.nodes or not isinstance(base, Mapping) else base
    annotations: Mapping[str, Any] = {}
    if is_dataclass(annotation):
        annotations = {f.name: f.type for f in fields(annotation)}
    else:
        target = node.nodes.get(_TARGET, Constant(own.get(_TARGET)))
        try:
            function = _find_target(target, key)
        except ConfigError as error:
            if _TARGET in node.nodes:
                yield str(error)
            function = None
        if function is not None and isinstance(target, Constant):
            yield from check_argument_names(function, target.value, key, node.nodes)
            annotations = argument_annotations(function)
    for part, child in children(node):
        yield from _check_node(child, f"{key}.{part}", own.get(part), annotations.get(part, Any))


def _find_target(node: Node, key: str) -> Callable[..., Any] | None:
    """Returns the target of a mapping, None where it has none or one that only a sample knows."""
    if not isinstance(node, Constant) or node.value is None or _is_unresolved(node.value):
        return None
    return locate(node.value, key)


def _is_unresolved(value: Any) -> bool:
    return isinstance(value, str) and ("${" in value or value == "???")


def _describe(annotation: Any) -> str:
    types = plain_types(annotation)
    assert types is not None
    return describe_plain(types)
