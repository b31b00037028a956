"""What a constructor raises: at which key it is told, and which two are one fault."""

from typing import Any

import pytest

from sesemi_search.config.targets import instantiate
from sesemi_search.errors import ArgumentError, ConfigError, Kind, Problem

KEY = "learner.hparams.model.backbone"


class Ours:
    """A class that names the argument it refuses, as those of this program do."""

    def __init__(self, depth: int, width: int = 1) -> None:
        self.width = width
        if depth < 1:
            raise ArgumentError("depth", f"{depth=}; it takes 1 or more")


class Users:
    """A user's class, whose error is only words."""

    def __init__(self, depth: int, width: int = 1) -> None:
        self.width = width
        raise ValueError("depth=0; it takes 1 or more" if depth == 0 else "depth is negative")


class Loads:
    """A class that says itself what is wrong, and at which key."""

    def __init__(self) -> None:
        raise ConfigError(f"{KEY}.checkpoint", "there is no such file.")


def problem_of(cls: type, **arguments: Any) -> Problem:
    with pytest.raises(ConfigError) as raised:
        instantiate({"_target_": f"{__name__}.{cls.__name__}", **arguments}, KEY)
    (problem,) = raised.value.problems
    return problem


def test_an_argument_that_a_class_of_ours_refuses_is_the_key() -> None:
    text = f"{__name__}.Ours(depth=0) raised ValueError: depth=0; it takes 1 or more"
    assert str(problem_of(Ours, depth=0)) == f"{KEY}.depth: {text}"


def test_what_a_users_class_raises_is_told_at_its_node_whatever_its_words() -> None:
    assert problem_of(Users, depth=0).key == KEY


def test_two_problems_that_differ_in_the_arguments_shown_are_one_fault() -> None:
    narrow, wide = problem_of(Users, depth=0, width=8), problem_of(Users, depth=0, width=64)
    assert narrow.text != wide.text
    assert narrow.fault == wide.fault


def test_two_reasons_of_one_constructor_are_two_faults() -> None:
    assert problem_of(Users, depth=0).fault != problem_of(Users, depth=-1).fault


def test_what_a_constructor_found_wrong_itself_keeps_its_key_and_is_of_the_construction() -> None:
    problem = problem_of(Loads)
    assert str(problem) == f"{KEY}.checkpoint: there is no such file."
    assert problem.kind is Kind.construction
