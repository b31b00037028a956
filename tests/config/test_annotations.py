from enum import Enum
from types import NoneType
from typing import Any, Optional, Union

import pytest

from sesemi_search.config.annotations import (
    argument_annotations,
    describe_plain,
    element_annotation,
    is_plain_value,
    plain_types,
)


class Colour(Enum):
    red = 1
    blue = 2


@pytest.mark.parametrize(
    ("annotation", "types"),
    [
        (int, {int}),
        (int | None, {int, NoneType}),
        (Optional[float], {float, NoneType}),  # noqa: UP045
        (Union[int, str], {int, str}),  # noqa: UP007
        ("int", {int}),
        ("float | None", {float, NoneType}),
        ("typing.Optional[bool]", {bool, NoneType}),
        ("Union[int, float]", {int, float}),
        (Colour, {Colour}),
        (Any, None),
        (list[int], None),
        (int | list[int], None),
        ("int | Tensor", None),
        ("list[int]", None),
        (object, None),
    ],
)
def test_only_plain_annotations_say_something(annotation: Any, types: set[type] | None) -> None:
    assert plain_types(annotation) == types


@pytest.mark.parametrize(
    ("types", "value", "holds"),
    [
        ({int}, 3, True),
        ({int}, 3.0, False),
        ({int}, True, False),
        ({float}, 3, True),
        ({float}, 0.5, True),
        ({float}, True, False),
        ({float}, "3", False),
        ({bool}, True, True),
        ({bool}, 1, False),
        ({str}, "x", True),
        ({int}, None, False),
        ({int, NoneType}, None, True),
        ({Colour}, "red", True),
        ({Colour}, "green", False),
    ],
)
def test_a_whole_number_is_a_number_and_true_is_none(types: set[type], value: Any, holds: bool) -> None:
    assert is_plain_value(frozenset(types), value) == holds


def test_an_argument_whose_default_is_none_takes_null() -> None:
    def build(width: int, rate: float = None, *, name: "str" = "x", other=3, layers: list[int] = ()):  # type: ignore  # noqa: RUF013
        pass

    annotations = argument_annotations(build)
    assert {name: plain_types(each) for name, each in annotations.items()} == {
        "width": {int},
        "rate": {float, NoneType},
        "name": {str},
        "other": None,
        "layers": None,
    }
    assert argument_annotations(print) or argument_annotations(dict) == {}


@pytest.mark.parametrize(
    ("annotation", "element"),
    [
        (list[float], float),
        (list[int] | None, int),
        (list[Any] | None, Any),
        (Any, Any),
        (float, None),
        (str | None, None),
    ],
)
def test_the_elements_of_a_list_have_its_annotation(annotation: Any, element: Any) -> None:
    assert element_annotation(annotation) is element


def test_what_is_allowed_is_told_in_words() -> None:
    assert describe_plain(frozenset({float, NoneType})) == "a number or null"
    assert describe_plain(frozenset({Colour})) == "one of red, blue"
