from typing import Any

import pytest

from sesemi_search.config.overrides import SpaceOverride
from sesemi_search.errors import ConfigError
from sesemi_search.space.overrides import override_space

RAW = {
    "lr": {"float": [0.1, 1.0], "log": True},
    "head": {"choice": {"cosine": {"_target_": "x.C"}, "scaled": {"_target_": "x.S", "scale": {"float": [1, 2]}}}},
}


def override(key: str, value: Any = None, delete: bool = False) -> dict[str, Any]:
    return override_space(RAW, [SpaceOverride(tuple(key.split(".")), value, delete)])


def test_a_domain_replaces_a_domain_whole() -> None:
    assert override("lr", {"choice": [1, 2]})["lr"] == {"choice": [1, 2]}


def test_a_value_pins_a_dimension() -> None:
    assert override("lr", 0.5)["lr"] == 0.5


def test_the_name_of_an_option_pins_it_with_its_domains() -> None:
    assert override("head", "scaled")["head"] == {"_target_": "x.S", "scale": {"float": [1, 2]}}


def test_an_option_can_be_dropped() -> None:
    assert list(override("head.choice.cosine", delete=True)["head"]["choice"]) == ["scaled"]
    assert list(override("head.cosine", delete=True)["head"]["choice"]) == ["scaled"]


def test_a_domain_inside_an_option_is_reached_with_and_without_the_word_choice() -> None:
    assert override("head.choice.scaled.scale", 4)["head"]["choice"]["scaled"]["scale"] == 4
    assert override("head.scaled.scale", 4)["head"]["choice"]["scaled"]["scale"] == 4


def test_a_new_dimension_can_be_added() -> None:
    assert override("optimizer.momentum", {"float": [0, 1]})["optimizer"] == {"momentum": {"float": [0, 1]}}


def test_digits_are_a_place_in_the_experiments_list() -> None:
    assert override("transforms.1.magnitude", 3)["transforms"] == {1: {"magnitude": 3}}


def test_digits_are_a_place_in_a_list_of_the_space() -> None:
    assert override("lr.float.0", 0.5)["lr"] == {"float": [0.5, 1.0], "log": True}


def test_digits_are_the_name_of_an_option_that_is_written_so() -> None:
    raw = {"depth": {"choice": {"18": {"width": 1}, "50": {"width": 2}}}}
    assert override_space(raw, [SpaceOverride(("depth", "18", "width"), 7)])["depth"]["choice"]["18"] == {"width": 7}
    assert list(override_space(raw, [SpaceOverride(("depth", "18"), None, True)])["depth"]["choice"]) == ["50"]
    added = override_space(raw, [SpaceOverride(("depth", "choice", "101"), {"width": 3})])
    assert list(added["depth"]["choice"]) == ["18", "50", "101"]


def test_an_entry_of_the_experiments_list_can_be_dropped_from_the_space() -> None:
    raw = {"betas": {0: {"float": [0, 1]}, 1: 0.5}}
    assert override_space(raw, [SpaceOverride(("betas", "0"), None, True)]) == {"betas": {1: 0.5}}


def test_overrides_apply_in_order() -> None:
    changed = override_space(RAW, [SpaceOverride(("head",), "scaled"), SpaceOverride(("head", "scale"), 7)])
    assert changed["head"] == {"_target_": "x.S", "scale": 7}


@pytest.mark.parametrize(
    ("key", "value", "delete", "says"),
    [
        ("head", "scald", False, "Did you mean 'scaled'?"),
        ("head.choice.cosin", None, True, "Did you mean 'cosine'?"),
        ("nothing.here", None, True, "no 'nothing' there"),
        ("lr.float.low", 3, False, "got 'low' for a place in a list; it has 2 entries"),
        ("lr.float.2", 3, False, "got '2' for a place in a list"),
        ("lr.log.x", 3, False, "leads through True"),
        ("lr.float.0", None, True, "an entry of a list cannot be dropped"),
        ("transforms.1.prob", None, True, "no 'transforms' there"),
    ],
)
def test_a_path_or_option_that_is_not_there_is_refused(key: str, value: Any, delete: bool, says: str) -> None:
    with pytest.raises(ConfigError) as error:
        override(key, value, delete)
    assert says in str(error.value)


def test_the_space_that_is_given_stays_as_it_was() -> None:
    override("head.choice.cosine", delete=True)
    assert list(RAW["head"]["choice"]) == ["cosine", "scaled"]
