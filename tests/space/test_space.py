import random
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from sesemi_search.config.errors import ConfigError
from sesemi_search.space.corners import branch_ends, count_branches
from sesemi_search.space.domains import Choice, Options
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

HEADS = {
    "choice": {
        "cosine": {"_target_": "x.Cosine"},
        "scaled": {"_target_": "x.Scaled", "scale": {"float": [1, 32], "log": True}},
        "mlp": {
            "_target_": "x.MLP",
            "norm": {"choice": {"none": None, "batch": {"_target_": "x.BN", "eps": {"float": [1e-5, 1e-3]}}}},
        },
    }
}


def make_space(raw: Any) -> Space:
    return Space(parse_space(raw))


def sample(space: Space, seed: int = 0) -> dict[str, Any]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return space.sample(study.ask())


def test_names_are_paths_with_the_chosen_option_in_them() -> None:
    space = make_space({"model": {"head": HEADS}, "lr": {"float": [0.1, 1]}})
    assert [d.name for d in space.dimensions] == [
        "model.head",
        "model.head.scaled.scale",
        "model.head.mlp.norm",
        "model.head.mlp.norm.batch.eps",
        "lr",
    ]
    assert space.dimensions[3].condition == {"model.head": "mlp", "model.head.mlp.norm": "batch"}


def test_short_names_are_the_shortest_unique_suffixes() -> None:
    space = make_space({"a": {"lr": {"float": [0, 1]}}, "b": {"lr": {"float": [0, 1]}, "head": HEADS}})
    assert space.short_names["a.lr"] == "a.lr"
    assert space.short_names["b.lr"] == "b.lr"
    assert space.short_names["b.head.scaled.scale"] == "scale"
    assert space.short_names["b.head"] == "head"


def test_a_conditional_parameter_exists_exactly_in_its_branch() -> None:
    space = make_space({"head": HEADS})
    for seed in range(200):
        params = sample(space, seed)
        assert ("head.scaled.scale" in params) == (params["head"] == "scaled")
        assert ("head.mlp.norm" in params) == (params["head"] == "mlp")
        assert ("head.mlp.norm.batch.eps" in params) == (params.get("head.mlp.norm") == "batch")


EXPERIMENT = {
    "optimizer": {"_target_": "torch.SGD", "lr": 0.1, "nesterov": True},
    "head": {"_target_": "x.Old", "stale": 1},
    "run": {"num_epochs": 3, "warmup": "${run.num_epochs}"},
}


@pytest.mark.parametrize(
    ("overlay", "params", "expected"),
    [
        (
            {"optimizer": {"lr": {"float": [0, 1]}}},
            {"optimizer.lr": 0.5},
            {"optimizer": {**EXPERIMENT["optimizer"], "lr": 0.5}},
        ),
        ({"optimizer": {"_target_": "torch.Adam"}}, {}, {"optimizer": {"_target_": "torch.Adam"}}),
        ({"head": HEADS}, {"head": "cosine"}, {"head": {"_target_": "x.Cosine"}}),
        ({"head": HEADS}, {"head": "mlp", "head.mlp.norm": "none"}, {"head": {"_target_": "x.MLP", "norm": None}}),
        ({"head": {"choice": {"merge": {"stale": 2}}}}, {"head": "merge"}, {"head": {"_target_": "x.Old", "stale": 2}}),
        ({"optimizer": {"lr": None}}, {}, {"optimizer": {**EXPERIMENT["optimizer"], "lr": None}}),
        ({"betas": [{"float": [0, 1]}, 2]}, {"betas.0": 0.25}, {"betas": [0.25, 2]}),
        ({"run": {"literal": {"num_epochs": 9}}}, {}, {"run": {"num_epochs": 9, "warmup": "${run.num_epochs}"}}),
    ],
)
def test_applying_replaces_values_and_targets_and_merges_the_rest(
    overlay: dict[str, Any], params: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert make_space(overlay).apply(EXPERIMENT, params) == {**EXPERIMENT, **expected}


def test_applying_leaves_the_experiment_as_it_was() -> None:
    before = {"optimizer": {"lr": 0.1, "betas": [1, 2]}}
    applied = make_space({"optimizer": {"lr": {"choice": [0.5]}}}).apply(before, {"optimizer.lr": 0.5})
    applied["optimizer"]["betas"].append(3)
    assert before == {"optimizer": {"lr": 0.1, "betas": [1, 2]}}


def test_corners_visit_every_branch_at_both_ends() -> None:
    space = make_space({"head": HEADS, "n": {"int": [1, 5]}})
    assert count_branches(space) == 4
    found = [params for ends in branch_ends(space, 100) for params in ends]
    assert len(found) == 8
    assert {p["n"] for p in found} == {1, 5}
    assert {p.get("head.scaled.scale") for p in found} == {None, 1.0, 32.0}


def test_a_space_with_too_many_branches_is_visited_in_part_and_every_choice_once() -> None:
    space = make_space({f"c{i}": {"choice": [1, 2, 3, 4]} for i in range(10)} | {"head": HEADS})
    assert count_branches(space) == 4**11
    ends = branch_ends(space, 60)
    found = [params for pair in ends for params in pair]
    assert len(found) == 120
    for dimension in space.dimensions:
        domain = dimension.domain
        if isinstance(domain, Choice | Options):
            choices = domain.values if isinstance(domain, Choice) else tuple(domain.nodes)
            assert {p[dimension.name] for p in found if dimension.name in p} == set(choices)


def test_a_mapping_over_an_interpolation_is_refused() -> None:
    space = make_space({"a": {"b": {"choice": [1]}}})
    with pytest.raises(ConfigError, match=r"space\.a: lays a mapping over the interpolation"):
        space.apply({"a": "${c}", "c": {"x": 1}}, {"a.b": 1})


_NAMES = st.sampled_from(["a", "b", "c", "d"])
_NUMBERS = st.integers(-5, 5).flatmap(
    lambda low: st.builds(lambda width: {"int": [low, low + width]}, st.integers(0, 5))
)
_FLOATS = st.floats(0.1, 5).flatmap(
    lambda low: st.builds(lambda w, log: {"float": [low, low + w], "log": log}, st.floats(0, 5), st.booleans())
)
_CHOICES = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(lambda values: {"choice": values})
_DOMAINS = st.recursive(
    _NUMBERS | _FLOATS | _CHOICES | st.integers(0, 3) | st.just({"_target_": "x.Y"}),
    lambda inner: (
        st.dictionaries(_NAMES, inner, min_size=1, max_size=3)
        | st.dictionaries(_NAMES, inner, min_size=1, max_size=3).map(lambda options: {"choice": options})
        | st.lists(inner, min_size=1, max_size=2)
    ),
    max_leaves=12,
)


def read_back(config: Any, name: str, params: dict[str, Any]) -> Any:
    """Follows a parameter's name through a config; the names of chosen options are not in it."""
    path = ""
    for part in name.split("."):
        longer = f"{path}.{part}" if path else part
        if not (path in params and params[path] == part):
            config = config[int(part)] if isinstance(config, list) else config[part]
        path = longer
    return config


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_NAMES, _DOMAINS, min_size=1, max_size=3), st.integers(0, 100))
def test_a_sample_that_is_applied_can_be_read_back(raw: dict[str, Any], seed: int) -> None:
    space = make_space(raw)
    rng = random.Random(seed)
    params = dict(rng.choice(rng.choice(branch_ends(space, 50))))
    assert space.sample(FixedTrial(params)) == params
    applied = space.apply({}, params)
    options = {d.name for d in space.dimensions if hasattr(d.domain, "nodes")}
    for name, value in params.items():
        if name not in options:
            assert read_back(applied, name, params) == value
