from typing import Any

import pytest

from sesemi_search.space.parse import parse_space
from sesemi_search.space.size import count_configs, count_discrete, describe_size
from sesemi_search.space.space import Space
from tests.space.strategies import sample_space

HEAD = {
    "choice": {
        "a": {"x": {"int": [1, 3]}, "y": {"choice": [1, 2]}},
        "b": {"z": {"float": [0.8, 0.99], "step": 0.01}},
        "c": {"inner": {"choice": {"none": None, "some": {"w": {"int": [0, 10], "step": 5}}}}},
    }
}


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        ({"x": {"int": [1, 3]}}, 3),
        ({"x": {"int": [1, 9], "step": 4}}, 3),
        ({"x": {"int": [1, 8], "log": True}}, 8),
        ({"x": {"float": [0.8, 0.99], "step": 0.01}}, 20),
        ({"x": {"float": [0.5, 0.5]}}, 1),
        ({"x": 7}, 1),
        ({"head": HEAD}, 3 * 2 + 20 + 1 + 3),
        ({"head": HEAD, "n": [{"choice": [1, 2]}, 3], "m": {0: {"choice": [1, 2, 3]}}}, 30 * 2 * 3),
        ({f"x{i}": {"int": [0, 999]} for i in range(20)}, 1000**20),
    ],
)
def test_a_finite_space_is_counted_exactly(raw: dict[str, Any], size: int) -> None:
    assert count_configs(Space(parse_space(raw))) == size


def test_a_continuous_dimension_makes_a_space_infinite_and_does_not_count() -> None:
    space = Space(parse_space({"head": HEAD, "lr": {"float": [0.1, 1]}}))
    assert count_configs(space) is None
    assert count_discrete(space) == 30


def test_the_count_is_the_number_of_samples_that_differ() -> None:
    space = Space(parse_space({"head": HEAD, "n": {"choice": ["p", "q"]}}))
    samples = {tuple(sample_space(space, seed).items()) for seed in range(3000)}
    assert len(samples) == count_configs(space) == 60


def test_the_size_is_told_in_words() -> None:
    assert describe_size(Space(parse_space({"head": HEAD, "lr": {"float": [0.1, 1]}}))) == [
        "7 dimensions: 5 conditional, 1 continuous",
        "30 configs of the discrete dimensions, times the continuous ones",
    ]
    assert describe_size(Space(parse_space({"x": {"choice": [1]}}))) == [
        "1 dimension: 0 conditional, 0 continuous",
        "1 config in all",
    ]
