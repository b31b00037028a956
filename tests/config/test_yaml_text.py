"""YAML by libyaml's parser and emitter: the same as OmegaConf's."""

import pytest
import yaml
from omegaconf import OmegaConf

from sesemi_search.config.yaml_text import dump_yaml, yaml_loader

_CONTENT = {
    "numbers": [1, 1.5, 1e-3, 1e20, float("inf"), -0.0],
    "text": ["1e-3", "yes", "null", "~", "12:30:45", "", " lead", "two\nlines", "ä€🙂", "a: b", "x" * 200],
    "nothing": None,
    "truth": True,
    "empty": {"list": [], "mapping": {}},
    "reference": "${run.num_epochs}",
    3: "a key that is a number",
}


def test_what_is_written_is_read_back_as_it_was() -> None:
    assert yaml.load(dump_yaml(_CONTENT), Loader=yaml_loader()) == _CONTENT


def test_what_is_written_means_the_same_to_omegaconf() -> None:
    assert OmegaConf.to_container(OmegaConf.create(dump_yaml(_CONTENT))) == _CONTENT


@pytest.mark.parametrize(
    "text", ["a: 1e-3", "a: 2001-01-01", "a: 0x1F", "a: .5", "a: on", "a: '1'", "a: &x {b: 1}\nc: *x"]
)
def test_a_file_is_read_as_omegaconf_reads_it(text: str) -> None:
    assert yaml.load(text, Loader=yaml_loader()) == OmegaConf.to_container(OmegaConf.create(text))
