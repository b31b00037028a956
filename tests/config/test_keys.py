"""Each fact of a key stands in the schema alone: changed there, everyone who goes by it follows."""

from collections.abc import Callable, Iterator
from dataclasses import Field, replace
from types import MappingProxyType
from typing import Any

import pytest
from omegaconf import OmegaConf

from sesemi_search.config.experiment import check_values
from sesemi_search.config.keys import Effect, Key, known_keys
from sesemi_search.config.overrides import override_config
from sesemi_search.config.schema import CudaGraph, ExperimentConfig, RunConfig, SearchConfig, SearchExperimentConfig
from sesemi_search.errors import ConfigError
from sesemi_search.preflight.space_paths import check_paths
from sesemi_search.search.fingerprint import digest_experiment
from sesemi_search.search.resume import changeable_keys
from sesemi_search.space.parse import parse_space

State = Callable[..., None]


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """States another fact of a key in its schema."""

    def change(section: type, name: str, **facts: Any) -> None:
        field: Field[Any] = section.__dataclass_fields__[name]  # type: ignore[attr-defined]
        known = replace(field.metadata.get(Key, Key()), **facts)
        monkeypatch.setattr(field, "metadata", MappingProxyType({Key: known}))
        known_keys.cache_clear()

    yield change
    monkeypatch.undo()
    known_keys.cache_clear()


def config(**run: Any) -> Any:
    return OmegaConf.merge(OmegaConf.structured(SearchExperimentConfig), {"run": run})


def test_a_range(state: State) -> None:
    assert list(check_values(config(seed=-1))) == []
    state(RunConfig, "seed", takes="a whole number, at least 0", holds=lambda v: v >= 0)
    assert list(map(str, check_values(config(seed=-1)))) == ["run.seed: got -1; it takes a whole number, at least 0."]


def test_whether_it_may_change_on_resume(state: State) -> None:
    with pytest.raises(ConfigError, match=r"search\.seed: cannot change any more; what can is .*search\.num_trials, "):
        override_config(config(), ["search.seed=3"], changeable_keys())
    state(SearchConfig, "seed", is_changeable=True)
    assert override_config(config(), ["search.seed=3"], changeable_keys()).search.seed == 3


def test_whether_all_trials_share_it(state: State) -> None:
    space = parse_space({"run": {"seed": {"int": [0, 3]}}})
    assert list(check_paths(space, "")) == []
    state(RunConfig, "seed", is_shared=True)
    assert list(map(str, check_paths(space, ""))) == [
        "space.run.seed: is the same for every trial of a search; set run.seed itself."
    ]


def test_whether_it_is_part_of_a_trials_identity(state: State) -> None:
    one, other = ({"run": {"seed": seed, "num_workers": 1}} for seed in (1, 2))
    assert digest_experiment(one) != digest_experiment(other)
    state(RunConfig, "seed", effect=Effect.none)
    assert digest_experiment(one) == digest_experiment(other)


def test_a_cuda_graph_is_no_part_of_a_trials_identity_and_may_change() -> None:
    one, other = ({"run": {"seed": 1, "cuda_graph": value}} for value in ("auto", "never"))
    assert digest_experiment(one) == digest_experiment(other)
    assert override_config(config(), ["run.cuda_graph=never"], changeable_keys()).run.cuda_graph is CudaGraph.never


def test_a_profile_is_no_part_of_a_trials_identity() -> None:
    one, other = ({"run": {"seed": 1, "profile": value}} for value in (False, True))
    assert digest_experiment(one) == digest_experiment(other)


def test_every_key_that_has_a_range_says_what_it_takes() -> None:
    for name, known in known_keys(SearchExperimentConfig).items():
        assert (known.holds is None) == (not known.takes), name


def test_facts_are_known_of_sections_and_of_keys_below_them() -> None:
    known = known_keys(SearchExperimentConfig)
    assert known["tracking"].is_changeable
    assert not known["tracking.mode"].is_changeable  # its section says so
    assert known["learner.hparams.num_classes"].is_shared
    assert known_keys(ExperimentConfig)["run.gpus"].sesemi_name == "devices"
