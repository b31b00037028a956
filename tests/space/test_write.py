from typing import Any

from hypothesis import given, settings
from omegaconf import OmegaConf

from sesemi_search.config.experiment import plain, to_yaml
from sesemi_search.search.fingerprint import define_search, find_changes
from sesemi_search.space.parse import parse_space
from sesemi_search.space.write import write_space
from tests.space.strategies import raw_spaces

RAW = {
    "run": {"seed": {"int": [0, 9]}, "batch": {"choice": [64, 128]}},
    "head": {"choice": {"no": {"_target_": "x.A"}, "1e-3": {"_target_": "x.B", "s": {"float": [0.5, 2], "log": True}}}},
    "betas": [{"float": [0.8, 0.95]}, 0.999],
    "layers": [{"a": {"b": 1}}],
    "transforms": {1: {"magnitude": {"float": [0, 1], "step": 0.5}}},
    "like": {"literal": {"choice": "yes"}},
    "lr": "${head}",
}
WRITTEN = """\
space:
  run:
    seed: {int: [0, 9]}
    batch: {choice: [64, 128]}
  head:
    choice:
      'no':
        _target_: x.A
      '1e-3':
        _target_: x.B
        s: {float: [0.5, 2.0], log: true}
  betas: [{float: [0.8, 0.95]}, 0.999]
  layers:
  - a:
      b: 1
  transforms:
    1:
      magnitude: {float: [0.0, 1.0], step: 0.5}
  like: {literal: {choice: 'yes'}}
  lr: ${head}
"""


def test_the_tree_is_in_blocks_and_each_domain_in_one_line() -> None:
    assert write_space(parse_space(RAW)) == WRITTEN


def test_a_place_in_a_list_survives_the_files_of_a_search() -> None:
    saved = plain(OmegaConf.create(to_yaml({"space": RAW, "run": {}})))
    assert parse_space(saved["space"]) == parse_space(RAW)
    before, after = (define_search({"run": {}}, raw, "val/top1", "max") for raw in (RAW, saved["space"]))
    assert list(find_changes(before, after)) == []
    saved["space"]["transforms"][1]["magnitude"]["step"] = 0.25
    after = define_search({"run": {}}, saved["space"], "val/top1", "max")
    assert list(find_changes(before, after)) == ["space.transforms.1.magnitude.step: was 0.5, is 0.25"]


@settings(max_examples=200, deadline=None)
@given(raw_spaces())
def test_what_is_written_is_read_as_the_same_space(raw: dict[str, Any]) -> None:
    space = parse_space(raw)
    read = OmegaConf.to_container(OmegaConf.create(write_space(space)))
    assert isinstance(read, dict)
    assert parse_space(read["space"]) == space
