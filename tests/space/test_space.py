from collections import Counter
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from sesemi_search.errors import ConfigError
from sesemi_search.space.corners import branch_ends, count_branches
from sesemi_search.space.domains import Choice, Options
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space
from tests.space.strategies import experiment_for, raw_spaces, sample_space

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


def test_a_key_is_the_same_under_whatever_option_and_of_options_has_the_word_choice() -> None:
    sgd = {"_target_": "a.SGD", "lr": {"float": [0, 1]}}
    nested = {"choice": {"small": {"_target_": "b.S", "width": {"int": [1, 2]}}, "big": {"_target_": "b.B"}}}
    space = Space(
        parse_space(
            {"optimizer": {"choice": {"sgd": sgd, "plain": {"_target_": "a.P"}}}, "head": {"choice": {"x": nested}}}
        )
    )
    assert space.keys == {
        "optimizer": "optimizer.choice",
        "optimizer.sgd.lr": "optimizer.lr",
        "head": "head.choice",
        "head.x": "head.choice.choice",
        "head.x.small.width": "head.width",
    }


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


def read_back(config: Any, name: str, params: dict[str, Any]) -> Any:
    """Follows a parameter's name through a config; the names of chosen options are not in it."""
    path = ""
    for part in name.split("."):
        longer = f"{path}.{part}" if path else part
        if not (path in params and params[path] == part):
            config = config[int(part)] if isinstance(config, list) else config[part]
        path = longer
    return config


@settings(max_examples=200, deadline=None)
@given(raw_spaces(), st.integers(0, 100))
def test_a_sample_that_is_applied_can_be_read_back(raw: dict[str, Any], seed: int) -> None:
    space = make_space(raw)
    params = sample_space(space, seed)
    assert space.sample(FixedTrial(params)) == params
    applied = space.apply(experiment_for(space), params)
    for dimension in space.dimensions:
        if dimension.name in params and not isinstance(dimension.domain, Options):
            assert read_back(applied, dimension.name, params) == params[dimension.name]


@settings(max_examples=200, deadline=None)
@given(raw_spaces())
def test_no_two_parameters_have_one_name(raw: dict[str, Any]) -> None:
    space = make_space(raw)
    names = [dimension.name for dimension in space.dimensions]
    assert len(set(names)) == len(names)
    assert len(set(space.short_names.values())) == len(names)


@settings(max_examples=200, deadline=None)
@given(raw_spaces(), st.integers(0, 100))
def test_a_parameter_exists_exactly_when_its_options_are_chosen(raw: dict[str, Any], seed: int) -> None:
    space = make_space(raw)
    params = sample_space(space, seed)
    for dimension in space.dimensions:
        chosen = all(params.get(name) == option for name, option in dimension.condition.items())
        assert (dimension.name in params) == chosen


THREE_LEVELS = {
    "learner": {
        "hparams": {
            "model": {
                "head": {
                    "choice": {
                        "cosine": {"_target_": "x.Cosine"},
                        "scaled": {"_target_": "x.Scaled", "scale": {"float": [1, 32], "log": True}},
                        "mlp": {
                            "_target_": "x.MLP",
                            "depth": {"int": [1, 3]},
                            "inner": {
                                "choice": {
                                    "plain": None,
                                    "norm": {
                                        "_target_": "x.Norm",
                                        "kind": {
                                            "choice": {
                                                "batch": {"_target_": "x.BN", "eps": {"float": [1e-5, 1e-3]}},
                                                "layer": {"_target_": "x.LN", "affine": {"choice": [True, False]}},
                                            }
                                        },
                                    },
                                }
                            },
                        },
                    }
                }
            }
        }
    }
}
HEAD = "learner.hparams.model.head"
KIND = f"{HEAD}.mlp.inner.norm.kind"
EXISTS_WHERE = {
    HEAD: {},
    f"{HEAD}.scaled.scale": {HEAD: "scaled"},
    f"{HEAD}.mlp.depth": {HEAD: "mlp"},
    f"{HEAD}.mlp.inner": {HEAD: "mlp"},
    KIND: {HEAD: "mlp", f"{HEAD}.mlp.inner": "norm"},
    f"{KIND}.batch.eps": {HEAD: "mlp", f"{HEAD}.mlp.inner": "norm", KIND: "batch"},
    f"{KIND}.layer.affine": {HEAD: "mlp", f"{HEAD}.mlp.inner": "norm", KIND: "layer"},
}


def test_three_levels_of_options_sampled_a_thousand_times() -> None:
    space = make_space(THREE_LEVELS)
    assert {d.name: d.condition for d in space.dimensions} == EXISTS_WHERE
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen: Counter[str] = Counter()
    for _ in range(1000):
        params = space.sample(study.ask())
        seen.update(params.keys())
        for name, condition in EXISTS_WHERE.items():
            assert (name in params) == (condition.items() <= params.items())
    assert min(seen[name] for name in EXISTS_WHERE) > 30


def test_entries_change_their_places_in_the_experiments_list_only() -> None:
    space = make_space({"transforms": {1: {"magnitude": {"float": [0, 1]}}}, "betas": {0: {"float": [0.8, 0.95]}}})
    assert [d.name for d in space.dimensions] == ["transforms.1.magnitude", "betas.0"]
    assert list(space.short_names.values()) == ["magnitude", "betas.0"]
    experiment = {
        "transforms": [{"_target_": "x.Flip"}, {"_target_": "x.Rotate", "magnitude": 0}],
        "betas": [0.9, 0.99],
    }
    assert space.apply(experiment, {"transforms.1.magnitude": 0.5, "betas.0": 0.85}) == {
        "transforms": [{"_target_": "x.Flip"}, {"_target_": "x.Rotate", "magnitude": 0.5}],
        "betas": [0.85, 0.99],
    }
    assert experiment["betas"] == [0.9, 0.99]


@pytest.mark.parametrize(
    ("base", "says"),
    [
        (None, "none to lay it over"),
        ({"a": 1}, "none to lay"),
        ([1], r"space\.x\.2: .* 1 entries"),
        ("${y}", "interpol"),
    ],
)
def test_entries_of_no_list_are_refused(base: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_space({"x": {2: {"int": [0, 1]}}}).apply({"x": base}, {"x.2": 1})
