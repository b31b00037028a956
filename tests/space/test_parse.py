import pytest
from hypothesis import given, settings

from sesemi_search.errors import ConfigError
from sesemi_search.space.domains import Choice, Constant, Entries, Float, Int, Listing, Options, Tree
from sesemi_search.space.parse import parse_space
from tests.space.strategies import anything


def test_each_domain_is_parsed_with_its_arguments() -> None:
    space = parse_space(
        {
            "lr": {"float": [1e-3, 1.0], "log": True},
            "momentum": {"float": [0.8, 0.99], "step": 0.01},
            "width": {"int": [32, 256], "log": True},
            "depth": {"int": [2, 8], "step": 2},
            "batch": {"choice": [64, 128]},
            "betas": [{"float": [0.8, 0.95]}, 0.999],
            "nesterov": True,
        }
    )
    assert space == Tree(
        {
            "lr": Float(1e-3, 1.0, log=True),
            "momentum": Float(0.8, 0.99, step=0.01),
            "width": Int(32, 256, log=True),
            "depth": Int(2, 8, step=2),
            "batch": Choice((64, 128)),
            "betas": Listing((Float(0.8, 0.95), Constant(0.999))),
            "nesterov": Constant(True),
        }
    )


def test_options_hold_fragments_with_domains_of_their_own() -> None:
    space = parse_space(
        {"head": {"choice": {"a": {"_target_": "x.A"}, "b": {"_target_": "x.B", "s": {"float": [1, 2]}}}}}
    )
    assert space.nodes["head"] == Options(
        {
            "a": Tree({"_target_": Constant("x.A")}),
            "b": Tree({"_target_": Constant("x.B"), "s": Float(1.0, 2.0)}),
        }
    )


def test_a_literal_is_a_constant_that_looks_like_a_domain() -> None:
    assert parse_space({"x": {"literal": {"float": [1, 2]}}}).nodes["x"] == Constant({"float": [1, 2]})


def test_whole_numbers_as_keys_are_entries_of_a_list() -> None:
    space = parse_space({"betas": {0: {"float": [0.8, 0.95]}}, "layers": {"1": {"float": [0, 1]}}})
    assert space.nodes["betas"] == Entries({0: Float(0.8, 0.95)})
    assert space.nodes["layers"] == Tree({"1": Float(0.0, 1.0)})


def test_a_space_that_contains_itself_is_a_config_error() -> None:
    raw: dict[str, object] = {"a": {"float": [0, 1]}}
    raw["b"] = raw
    with pytest.raises(ConfigError, match="contains itself"):
        parse_space(raw)


def test_a_target_with_an_argument_named_like_a_domain_is_no_domain() -> None:
    space = parse_space({"x": {"_target_": "a.B", "choice": 3}})
    assert space.nodes["x"] == Tree({"_target_": Constant("a.B"), "choice": Constant(3)})


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"float": [1.0, 0.1]}, ["space.x.float", "[1.0, 0.1]", "low is above high"]),
        ({"float": [0, 1], "log": True}, ["space.x.float", "low > 0"]),
        ({"float": [-1, 1], "log": True}, ["low > 0"]),
        ({"float": [0.1]}, ["space.x.float", "[0.1]", "[low, high]"]),
        ({"float": ["a", 1]}, ["two numbers"]),
        ({"float": [0, float("inf")]}, ["two numbers"]),
        ({"float": [True, 2]}, ["two numbers"]),
        ({"int": [1.5, 3]}, ["two whole numbers"]),
        ({"float": [0, 1], "log": "yes"}, ["space.x.log", "true or false"]),
        ({"float": [0, 1], "step": 0}, ["space.x.step", "positive"]),
        ({"float": [0, 1], "step": 0.3}, ["do not reach 1", "the last is 0.9"]),
        ({"float": [1, 2], "step": 0.5, "log": True}, ["one of the two"]),
        ({"float": [0, 1], "logg": True}, ["'logg'", "log, step", "Did you mean 'log'?", "literal"]),
        ({"choice": []}, ["space.x.choice: is empty"]),
        ({"choice": {}}, ["space.x.choice: is empty"]),
        ({"choice": 3}, ["a list of values or a mapping of named options"]),
        ({"choice": [[1, 2], [3]]}, ["space.x.choice.0", "Name what is more"]),
        ({"choice": [64, 64]}, ["has 64 twice"]),
        ({"choice": [float("nan")]}, ["finite"]),
        ({"choice": {False: {}, "a": {}}}, ["no/off/false", "quotes"]),
        ({"choice": {"a.b": {}}}, ["has no dot"]),
        ({2.5: 1}, ["space.x.2.5", "quotes"]),
        ({0: 1, "a": 2}, ["space.x.a: got the key 'a' beside whole numbers", "quotes"]),
        ({1: 1, "1": 2}, ["space.x.1: got the key '1' beside whole numbers"]),
        ({-1: 1}, ["space.x.-1", "counted from 0"]),
        ({"int": [0, 10**400]}, ["whole numbers of at most"]),
        ({"float": [0, 10**400]}, ["two numbers"]),
        ({"float": [-1.7e308, 1.7e308]}, ["wider than"]),
        ({"float": [0, 1e300], "step": 1e-300}, ["more steps than can be counted"]),
    ],
)
def test_a_mistake_is_named_with_its_key(raw: object, says: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        parse_space({"x": raw})
    for words in says:
        assert words in str(error.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse_space({"a": {"float": [2, 1]}, "b": {"choice": []}, "c": {"d": {"int": [0, 1], "log": True}}})
    assert "3 problems" in str(error.value)
    assert all(key in str(error.value) for key in ("space.a.float", "space.b.choice", "space.c.d.int"))


@pytest.mark.parametrize("raw", [None, 3, "x", [], {}, {"float": [0, 1]}, {"choice": [1]}, {0: {"float": [0, 1]}}])
def test_what_is_no_tree_of_the_experiment_is_refused(raw: object) -> None:
    with pytest.raises(ConfigError, match="space"):
        parse_space(raw)


@settings(max_examples=300, deadline=None)
@given(anything())
def test_any_input_gives_a_space_or_a_config_error(raw: object) -> None:
    try:
        assert isinstance(parse_space(raw), Tree)
    except ConfigError as error:
        assert str(error).startswith(("space", f"{len(error.problems)} problems"))
