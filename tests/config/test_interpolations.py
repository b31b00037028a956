"""Interpolations that a stored config keeps, and how they are followed without OmegaConf."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from sesemi_search.config.experiment import Complete, Written, load_experiment, resolve, to_yaml, written_experiment
from sesemi_search.config.interpolations import follow_interpolations, keep_interpolations
from sesemi_search.errors import ConfigError

CROPS = (
    "data.train_transforms=[{_target_: mine.Crop, size: '${data.image_size}', half: '${.size}', "
    "name: 'crop-${run.seed}', where: '${oc.env:WHERE}/${run.seed}', first: '${data.mean[0]}'}]"
)


@pytest.fixture
def written(compose_train: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch) -> Written:
    """The experiment `small`, its image size open; a transform refers to it, to other keys and to the environment."""
    monkeypatch.setenv("WHERE", "here")
    return written_experiment(compose_train("small", "data.image_size=null", "data.test_source=${data.source}", CROPS))


def test_interpolations_of_keys_stay_and_what_a_resolver_gave_is_a_value(written: Written) -> None:
    stored = keep_interpolations(written, Complete(resolve(written, image_size=9)))
    (crop,) = stored["data"]["train_transforms"]
    assert crop == {
        "_target_": "mine.Crop",
        "size": "${data.image_size}",
        "half": "${.size}",
        "name": "crop-${run.seed}",
        "where": "here/42",
        "first": "${data.mean[0]}",
    }
    assert stored["data"]["test_source"] == "${data.source}"
    assert stored["data"]["image_size"] == 9


def test_what_is_kept_loads_to_what_it_was_kept_of(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = Complete(resolve(written, image_size=9))
    stored = keep_interpolations(written, complete)
    (tmp_path / "config.yaml").write_text(to_yaml(stored))
    monkeypatch.delenv("WHERE")
    assert load_experiment(tmp_path / "config.yaml") == complete
    assert follow_interpolations(stored) == complete


def test_an_interpolation_of_what_was_filled_in_otherwise_is_a_value(written: Written) -> None:
    written["data"]["image_size"] = "${learner.hparams.model.backbone.size}"
    written["learner"]["hparams"]["model"]["backbone"]["size"] = None
    stored = keep_interpolations(written, Complete(resolve(written, image_size=9)))
    assert stored["data"]["image_size"] == 9


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${b.c}", 3),
        ("${d}", [3, 3]),
        ("${d[1]}", 3),
        ("${e.c}", 3),
        ("${.b.c}", 3),
        ("x-${b.c}${e.c}", "x-33"),
        ("${nothing}", "${nothing}"),
        ("${b.c.d}", "${b.c.d}"),
        ("${oc.env:HOME}", "${oc.env:HOME}"),
        ("${b.c}${oc.env:HOME}", "${b.c}${oc.env:HOME}"),
        ("${${name}:HOME}", "${${name}:HOME}"),
        ("${oc.decode:'${b.c}'}", "${oc.decode:'${b.c}'}"),
        (r"\${b.c}", r"\${b.c}"),
    ],
)
def test_keys_are_followed_and_no_resolver_runs(text: str, value: Any) -> None:
    config = {"a": text, "b": {"c": 3}, "d": ["${b.c}", "${.0}"], "e": "${b}", "name": "oc.env"}
    assert follow_interpolations(config)["a"] == value


@pytest.mark.parametrize("node", ["${%s}${%s}", ["${%s}", "${%s}"], {"x": "${%s}", "y": "${%s}"}], ids=type)
def test_a_few_lines_that_would_be_gigabytes_are_refused(node: Any) -> None:
    def double(node: Any, name: str) -> Any:
        if isinstance(node, str):
            return node.replace("%s", name)
        return (
            [double(n, name) for n in node] if isinstance(node, list) else {k: double(n, name) for k, n in node.items()}
        )

    config = {f"k{i}": double(node, f"k{i + 1}") for i in range(60)} | {"k60": ""}
    with pytest.raises(ConfigError, match="more than 1000000 characters"):
        follow_interpolations(config)


def test_a_circle_ends() -> None:
    with pytest.raises(RecursionError):
        follow_interpolations({"a": "${b}", "b": "${a}"})
