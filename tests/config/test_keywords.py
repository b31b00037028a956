"""Configs from Python as overrides: what is written is read back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesemi_search.config.keywords import write_overrides
from sesemi_search.config.overrides import parse_overrides
from sesemi_search.config.schema import Accelerator
from sesemi_search.errors import ConfigError

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda children: st.lists(children) | st.dictionaries(st.from_regex("[a-z_]{2,9}", fullmatch=True), children),
    max_leaves=6,
)


@given(VALUES)
def test_a_value_is_read_back_as_it_was(value: Any) -> None:
    (override,) = parse_overrides(write_overrides({"search.enqueue": [value]}))
    assert override.key_or_group == "search.enqueue"
    assert repr(override.value()) == repr([value])


@pytest.mark.parametrize(
    ("config", "overrides"),
    [
        ({"space": "lenet_cosine", "tracking": "none"}, ["space=lenet_cosine", "tracking=none"]),
        ({"run": {"num_epochs": 9, "gpus": 0.5}}, ["run.num_epochs=9", "run.gpus=0.5"]),
        ({"run": {"dir": Path("/a b/c")}}, ["run.dir='/a b/c'"]),
        ({"run": {"accelerator": Accelerator.cpu, "seed": None}}, ["run.accelerator=cpu", "run.seed=null"]),
        ({"data": {"mean": [np.float64(0.5)]}}, ["data.mean=[0.5]"]),
        (
            {"learner": {"hparams": {"model": {"head": {"_target_": "a.B", "width": 3}}}}},
            ["learner.hparams.model.head={_target_: a.B, width: 3}"],
        ),
        (
            {"space.learner.hparams.optimizer.lr": {"float": [1e-4, 0.1], "log": True}},
            ["space.learner.hparams.optimizer.lr={float: [0.0001, 0.1], log: true}"],
        ),
        ({"search": {"name": "null", "study": "True"}}, ["search.name='null'", "search.study='True'"]),
        ({}, []),
    ],
)
def test_sections_are_dotted_and_nodes_whole(config: dict[str, Any], overrides: list[str]) -> None:
    assert write_overrides(config) == overrides


def test_what_no_config_holds_is_a_mistake_at_its_key() -> None:
    with pytest.raises(ConfigError, match=r"run\.seed: got <object"):
        write_overrides({"run": {"seed": object()}})
