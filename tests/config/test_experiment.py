"""An experiment on its way from what is written to what a trial trains."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from sesemi_search.config.experiment import (
    Complete,
    Written,
    load_experiment,
    resolve,
    to_yaml,
    type_experiment,
    written_experiment,
)
from sesemi_search.config.schema import Precision
from sesemi_search.errors import ConfigError


@pytest.fixture
def written(compose_train: Callable[..., DictConfig]) -> Written:
    """The experiment `small`, its image size open and referred to."""
    crop = "data.train_transforms=[{_target_: mine.Crop, size: '${data.image_size}'}]"
    return written_experiment(compose_train("small", "data.image_size=null", "run.precision=bf16", crop))


def test_what_is_written_stays_unresolved(written: Written) -> None:
    assert list(written) == ["run", "data", "learner"]
    assert written["data"]["train_transforms"][0]["size"] == "${data.image_size}"


def test_what_refers_to_a_key_that_is_filled_in_has_its_value(written: Written) -> None:
    resolved = resolve(written, image_size=9)
    assert (resolved["data"]["image_size"], resolved["data"]["train_transforms"][0]["size"]) == (9, 9)
    assert resolve(written)["data"]["train_transforms"][0]["size"] is None
    assert written["data"]["image_size"] is None


@pytest.mark.parametrize(
    ("section", "key", "value", "says"),
    [
        ("run", "batch_size_per_gpu", 0, "got 0; it takes a whole number, at least 1"),
        ("run", "seed", "x", "got 'x'; it takes a whole number"),
        ("run", "seed", "${run.nothing}", "nothing"),
        ("data", "mean", [0.5], "got 1 values; it takes one for each of the 3 channels"),
    ],
)
def test_a_sample_that_is_no_experiment_does_not_resolve(
    written: Written, section: str, key: str, value: Any, says: str
) -> None:
    written[section][key] = value
    with pytest.raises(ConfigError, match=rf"{section}\.{key}: .*{says}"):
        resolve(written)


def test_a_complete_experiment_is_read_back_as_it_was(written: Written, tmp_path: Path) -> None:
    complete = Complete(resolve(written, image_size=9))
    complete["run"]["data_root"] = "1e-3"  # a string that YAML could take for a number
    (tmp_path / "config.yaml").write_text(to_yaml(complete, "A trial."))
    assert load_experiment(tmp_path / "config.yaml") == complete
    typed = type_experiment(complete)
    assert (typed.run.precision, typed.data.image_size, typed.run.data_root) == (Precision.bf16, 9, "1e-3")
