"""What a model's description says of the source it was trained on: the names of the classes, the shape of its arrays.

A source says the names as `classes`, in the order of the labels: its class does, or its instance, as a folder of images
and most data sets of torchvision. As with `num_classes`, a class that inherits it may have changed the labels, and says
nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sesemi_search.config.targets import locate
from sesemi_search.data.decode import StoredShape
from sesemi_search.data.folder import ImageFolder
from sesemi_search.data.sources import SOURCE_KEY, DatasetSource, Source, build_source
from sesemi_search.data.stored import LabelledImages
from sesemi_search.errors import ConfigError, user_code

__all__ = ["SourceFacts", "number_classes", "read_class_names", "read_source_facts", "recall_source_facts"]

_OURS = ("sesemi_search.data.", "sesemi.data.")


class SourceFacts(NamedTuple):
    """What is known of a source.

    Attributes:
        classes: K names, in the order of the labels; numbers where the source has no names.
        stored: (C, H, W) of images that it holds in arrays; None of files and of data sets, whose images differ.
    """

    classes: tuple[str, ...]
    stored: StoredShape | None


def number_classes(num_classes: int) -> tuple[str, ...]:
    """Returns the names of classes that have none: 0, 1, ..."""
    return tuple(map(str, range(num_classes)))


@user_code()
def read_source_facts(node: Mapping[str, Any], data_root: Path, num_classes: int) -> SourceFacts:
    """Returns the facts of a source that has been trained with. Its arrays may be loaded for it.

    Args:
        node: `data.source`.
        data_root: Folder of data sets.
        num_classes: K.

    Raises:
        ConfigError: The source cannot be built.
    """
    source = build_source(node, data_root)
    return SourceFacts(_find_names(source, num_classes), _find_shape(source))


@user_code()
def read_class_names(node: Mapping[str, Any], data_root: Path, num_classes: int) -> tuple[str, ...]:
    """Returns the names of a source's K classes, in the order of the labels; numbers where it has none.

    Raises:
        ConfigError: The source cannot be built.
    """
    return _find_names(build_source(node, data_root), num_classes)


def recall_source_facts(node: object, data_root: Path, num_classes: int) -> SourceFacts:
    """Returns what can be said of a source of ours without its images, of others and of one that is gone: numbers.

    Args:
        node: `data.source` of a stored config, of whoever's making. Nothing but a source of ours is built.
        data_root: Folder of data sets.
        num_classes: K.
    """
    if isinstance(node, Mapping) and _is_ours(node):
        try:
            found = locate(node["_target_"], SOURCE_KEY)
            if isinstance(found, type) and issubclass(found, Source):
                source = build_source(node, data_root)
                return SourceFacts(_find_names(source, num_classes), _own(source, "image_shape"))
        except ConfigError:  # the folder is on another machine
            pass
    return SourceFacts(number_classes(num_classes), None)


def _is_ours(node: Mapping[str, Any]) -> bool:
    """Whether a node names something of ours, with plain arguments: a node among them would be built too."""
    is_plain = all(isinstance(value, str | int | float | None) for value in node.values())
    return is_plain and str(node.get("_target_")).startswith(_OURS)


def _find_names(source: Source, num_classes: int) -> tuple[str, ...]:
    said = getattr(source.dataset, "classes", None) if isinstance(source, DatasetSource) else _own(source, "classes")
    names = tuple(said) if isinstance(said, list | tuple) else ()
    if len(set(names)) == len(names) == num_classes and all(isinstance(name, str) for name in names):
        return names
    return number_classes(num_classes)


def _find_shape(source: Source) -> StoredShape | None:
    shape: StoredShape | None = _own(source, "image_shape")
    if shape is None and not isinstance(source, DatasetSource | ImageFolder):
        images = source.train()
        if isinstance(images, LabelledImages):
            _, channels, height, width = images.images.shape
            shape = (channels, height, width)
    return shape


def _own(source: Source, name: str) -> Any:
    """Returns what a source or its very class says, None where neither does."""
    return getattr(source, name, None) if name in {**vars(type(source)), **getattr(source, "__dict__", {})} else None
