"""From a key of a trial's config back to where the space writes it."""

import pytest

from sesemi_search.space.overlay_paths import find_condition, find_place
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

SPACE = Space(
    parse_space(
        {
            "lr": {"float": [0, 1]},
            "size": {"choice": [32, 64]},
            "seed": 7,
            "mean": {1: {"float": [0, 1]}},
            "betas": [{"float": [0, 1]}, 0.9],
            "body": {"width": {"int": [1, 2]}},
            "model": {
                "choice": {
                    "small": {"body": {"name": "s"}, "head": {"choice": {"a": {"_target_": "x.A"}, "none": None}}},
                    "large": {"body": {"name": {"choice": ["l", "xl"]}}},
                }
            },
        }
    )
)
SMALL = {"lr": 0.1, "size": 64, "model": "small", "model.small.head": "a"}
LARGE = {"lr": 0.1, "size": 32, "model": "large", "model.large.body.name": "xl"}


@pytest.mark.parametrize(
    ("params", "key", "place"),
    [
        (SMALL, "lr", "space.lr"),
        (SMALL, "size", "space.size.choice.1"),
        (SMALL, "seed", "space.seed"),
        (SMALL, "mean.1", "space.mean.1"),
        (SMALL, "betas.0", "space.betas.0"),
        (SMALL, "betas", "space.betas"),
        (SMALL, "model.body.name", "space.model.choice.small.body.name"),
        (LARGE, "model.body.name", "space.model.choice.large.body.name.choice.1"),
        (SMALL, "model.body", "space.model.choice.small.body"),
        (SMALL, "model.head", "space.model.choice.small.head.choice.a"),
        (SMALL, "model.head._target_", "space.model.choice.small.head.choice.a._target_"),
        (SMALL, "model.head.missing", "space.model.choice.small.head.choice.a.missing"),
        (SMALL | {"model.small.head": "none"}, "model.head", "space.model.choice.small.head.choice.none"),
        # What the space merges into, and does not write, is the experiment's own.
        (SMALL, "model.body.depth", "model.body.depth"),
        (LARGE, "model.head", "model.head"),
        (SMALL, "body", "body"),
        (SMALL, "mean", "mean"),
        (SMALL, "mean.0", "mean.0"),
        (SMALL, "epochs", "epochs"),
        (SMALL, "2 problems", "2 problems"),
    ],
)
def test_a_key_is_found_where_the_chosen_branch_writes_it(params: dict[str, object], key: str, place: str) -> None:
    assert find_place(SPACE, params, key) == place


@pytest.mark.parametrize(
    ("place", "condition"),
    [
        ("space.lr", {}),
        ("space.size.choice.1", {}),
        ("space.model", {}),
        ("space.model.choice", {}),
        ("space.model.choice.small", {"model": "small"}),
        ("space.model.choice.small.body.name", {"model": "small"}),
        ("space.model.choice.small.head.choice.a._target_", {"model": "small", "model.small.head": "a"}),
        ("space.model.choice.large.body.name.choice.1", {"model": "large"}),
        ("space.model.choice.large.nothing.here", {"model": "large"}),
        ("search.metric", {}),
    ],
)
def test_a_place_inside_options_counts_where_they_are_chosen(place: str, condition: dict[str, str]) -> None:
    assert find_condition(SPACE, place) == condition
