"""Where a mistake was made: a message ends in the file and line that wrote its key last, or names the command line."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.overrides import parse_overrides
from sesemi_search.config.source_lines import SourceLines
from sesemi_search.errors import Problem

Command = Callable[..., tuple[int, str]]

PIECE = """\
choice:
  linear: {_target_: sesemi_search.models.heads.LinearHead, dropout: {float: [0, 0.5]}}
  scaled:
    _target_: sesemi_search.models.heads.ScaledCosineHead
    scale: {float: [32, 1]}
"""
SPACE = """\
# @package _global_
defaults:
  - /small
  - /head@space.learner.hparams.model.head: two
  - _self_
space:
  run:
    batch_size_per_gpu: {choice: [64, 64]}
    num_epoch: {int: [1, 3]}
    num_epochs: {float: [1, 3]}
  learner:
    hparams:
      optimizer:
        lr: {float: [0, 1], log: true}
        momentom: {float: [0, 1]}
      model:
        backbone:
          out_features: 8
          no: {float: [0, 1]}
search:
  metric: val/topp1
"""


@pytest.fixture
def mine(project: Path) -> Path:
    """A space with mistakes, one of its pieces in a file of its own."""
    (project / "search_spaces" / "head").mkdir()
    (project / "search_spaces" / "head" / "two.yaml").write_text(PIECE)
    file = project / "search_spaces" / "space" / "mine.yaml"
    file.write_text(SPACE)
    return file


def addresses(output: str) -> dict[str, str]:
    """The address of each key that a message is about."""
    found = re.findall(r"^(?:error: |- )(?:\S+\.yaml: )?([\w.-]+): .* \(([^()]+)\)$", output, re.MULTILINE)
    return dict(found)


def test_all_mistakes_of_a_search_come_at_once_with_file_and_line(mine: Path, command: Command) -> None:
    code, output = command("run", "space=mine", "tracking=none", "space.data.mean.0={int: [1, 0]}")
    assert code == 2
    assert addresses(output) == {
        "space.learner.hparams.model.head.choice.scaled.scale.float": "search_spaces/head/two.yaml, line 5",
        "space.run.batch_size_per_gpu.choice.1": "search_spaces/space/mine.yaml, line 8",
        "space.run.num_epoch": "search_spaces/space/mine.yaml, line 9",
        "space.run.num_epochs": "search_spaces/space/mine.yaml, line 10",
        "space.learner.hparams.optimizer.lr.float": "search_spaces/space/mine.yaml, line 14",
        "space.learner.hparams.optimizer.momentom": "search_spaces/space/mine.yaml, line 15",
        "space.learner.hparams.model.backbone.False": "search_spaces/space/mine.yaml, line 19",
        "space.data.mean.0.int": "command line",
        "search.metric": "search_spaces/space/mine.yaml, line 21",
    }
    assert "YAML reads the key no/off/false as False; put it in quotes" in output
    assert "Did you mean 'momentum'?" in output


def test_an_option_named_no_without_quotes_is_told_with_its_line(mine: Path, command: Command) -> None:
    (mine.parents[1] / "head" / "two.yaml").write_text("choice:\n  on: {x: 1}\n  a:\n    b: 2\n")
    _, output = command("show", "space=mine")
    assert addresses(output)["space.learner.hparams.model.head.choice.True"] == "search_spaces/head/two.yaml, line 2"


@pytest.mark.parametrize("key", ["space.x", "space.learner.hparams.optimizer.beta", "space.data.mean.7"])
def test_what_cannot_be_dropped_was_dropped_on_the_command_line(key: str, mine: Path, command: Command) -> None:
    _, output = command("show", "space=mine", f"~{key}")
    assert output.startswith(f"error: ~{key}: the space has no")
    assert output.endswith(" (command line)\n")


def test_show_tells_the_mistakes_of_the_language_alone(mine: Path, command: Command) -> None:
    code, output = command("show", "space=mine")
    assert code == 2
    assert len(addresses(output)) == 4
    assert all("num_epoch" not in key for key in addresses(output))


def test_a_key_twice_in_one_mapping_is_told_with_file_and_line(mine: Path, command: Command) -> None:
    mine.write_text(SPACE.replace("    num_epoch:", "    batch_size_per_gpu:"))
    code, output = command("show", "space=mine")
    assert code == 2
    assert "space/mine.yaml, line 9: not YAML: while constructing a mapping, found duplicate key" in output


@pytest.mark.parametrize(
    ("file", "content", "overrides", "key", "where"),
    [
        ("small", "run: {num_epochs: 0}\n", [], "run.num_epochs", "configs/small.yaml, line 2"),
        ("small", "run: {num_epochs: 0}\n", ["run.num_epochs=-1"], "run.num_epochs", "command line"),
        ("small", "run:\n  id: x\n  num_epoch: 2\n", [], "run.num_epoch", "configs/small.yaml, line 4"),
        ("small", "run:\n  num_epochs: many\n", [], "run.num_epochs", "configs/small.yaml, line 3"),
        ("small", "run: {id: x}\n", ["data.mean=[a]"], "data.mean.0", "command line"),
        ("small", "run:\n  <<: [{num_epochs: 0}, {seed: 1}]\n", [], "run.num_epochs", "configs/small.yaml, line 3"),
        ("small", "run: {id: x}\n", ["run.sed=3"], "run.sed", "command line"),
        ("data/mine", "data: {val_size: 0}\n", ["data=mine"], "data.val_size", "configs/data/mine.yaml, line 2"),
    ],
)
def test_keys_of_the_experiment_have_addresses_too(
    file: str, content: str, overrides: list[str], key: str, where: str, command: Command, project: Path
) -> None:
    path = project / "configs" / f"{file}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("# @package _global_\n" + content)
    code, output = command("train", "--config-name", "small", *overrides)
    assert code == 2, output
    assert addresses(output).get(key) == where, output


def test_a_value_of_the_experiment_is_told_where_it_was_typed_whatever_the_space_has_there(
    mine: Path, command: Command
) -> None:
    assert "num_epochs: {float: [1, 3]}" in mine.read_text()
    code, output = command("run", "space=mine", "run.num_epochs=0")
    assert code == 2
    assert addresses(output) == {"run.num_epochs": "command line"}


OVER = """\
# @package _global_
defaults: [/small, _self_]
space:
  learner:
    hparams:
      optimizer:
        lr: {float: [0.1, 1]}
      model:
        head:
          choice:
            linear: {_target_: sesemi_search.models.heads.LinearHead, freeze: {choice: [true, false]}}
            scaled:
              _target_: sesemi_search.models.heads.ScaledCosineHead
              scale: {float: [1, 32]}
"""


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        (
            [],
            {
                "space.learner.hparams.optimizer.lr": "search_spaces/space/over.yaml, line 7",
                "learner.hparams.optimizer.lr": "optimizer/sgd.yaml, line 6",
                "space.learner.hparams.model.head.scale": "search_spaces/space/over.yaml, line 14",
                "space.learner.hparams.model.head.scaled.scale": "search_spaces/space/over.yaml, line 14",
                "space.learner.hparams.model.head.choice.scaled.scale": "search_spaces/space/over.yaml, line 14",
                "learner.hparams.model.backbone.width": "configs/small.yaml, line 8",
                "learner.hparams.model": None,
                "nothing.here": None,
                "data.mean": "data/mnist5k.yaml, line 14",
            },
        ),
        (
            ["space.learner.hparams.optimizer.lr=0.3"],
            {
                "space.learner.hparams.optimizer.lr": "command line",
                "learner.hparams.optimizer.lr": "optimizer/sgd.yaml, line 6",
            },
        ),
        (["~space.learner.hparams.optimizer.lr"], {"space.learner.hparams.optimizer.lr": None}),
        (["~space.learner.hparams.model.head.linear"], {"space.learner.hparams.model.head.linear": None}),
        (["data.mean=[0,0,0]"], {"data.mean": "command line"}),
        (["data={mean: [0,0,0]}"], {"data.mean": "command line", "data.std": "data/mnist5k.yaml, line 15"}),
        (
            ["++learner.hparams.optimizer={lr: 1}"],
            {"learner.hparams.optimizer.momentum": "optimizer/sgd.yaml, line 7"},
        ),
        (
            ["space.learner.hparams.model.head=scaled"],
            {
                "space.learner.hparams.model.head": "command line",
                "space.learner.hparams.model.head.scale": "over.yaml, line 14",
            },
        ),
        (
            ["space.learner.hparams.model.head.scaled.scale=2"],
            {"space.learner.hparams.model.head.scale": "command line"},
        ),
        (["run.seed=1"], {"run.seed": "command line"}),
        (["space.learner.hparams.optimizer=[1,2]"], {"space.learner.hparams.optimizer": "command line"}),
    ],
)
def test_the_last_to_write_a_key_is_found(
    overrides: list[str], found: dict[str, str | None], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (project / "search_spaces" / "space" / "over.yaml").write_text(OVER)
    source_lines = compose_config(Request(search=True, overrides=["space=over", *overrides])).source_lines
    for key, where in found.items():
        line = source_lines.find(key)
        assert line == where or (line is not None and where is not None and line.endswith(where)), key


TIMM = """\
# @package _global_
defaults: [/small, _self_]
data: {image_size: 64}
space:
  learner:
    hparams:
      choice:
        one:
          model:
            backbone:
              _target_: sesemi_search.models.backbones.TimmBackbone
              name: test_resnet
              drop_rate: {float: [0, 0.5]}
        two:
          model:
            backbone:
              _target_: sesemi_search.models.backbones.TimmBackbone
              drop_rate: {float: [0, 0.5]}
              name:
                choice:
                  - test_resnet
                  - test_resne
"""


def test_mistakes_inside_options_are_told_once_with_their_line_in_the_space(project: Path, command: Command) -> None:
    (project / "search_spaces" / "space" / "mine.yaml").write_text(TIMM)
    typed = "space.learner.hparams.one.model.backbone.name=test_resn"
    found = {
        "space.learner.hparams.choice.one.model.backbone.name": "command line",
        "space.learner.hparams.choice.two.model.backbone.name.choice.1": "search_spaces/space/mine.yaml, line 22",
    }
    code, output = command("run", "space=mine", typed)
    assert code == 2
    assert addresses(output) == found
    assert output.count("no such model") == len(found), output
    code, output = command("check", "space=mine", typed)
    assert code == 1
    assert output.count("no such model") == len(found), output
    assert all(where in " ".join(output.split()) for where in found.values())


def test_an_address_that_a_problem_has_is_not_looked_up_again() -> None:
    lines = SourceLines(overrides=parse_overrides(["run.seed=-1"]))
    assert lines.add(Problem("run.seed", "got -1.")).source == "command line"
    known = Problem("run.seed", "got -1.", source="base.yaml, line 3")
    assert lines.add(known) == known


def test_a_text_that_begins_like_a_key_is_not_taken_for_one() -> None:
    lines = SourceLines(overrides=parse_overrides(["run.seed=-1"]))
    assert lines.add(Problem("", "run.seed: got -1.")).source == ""
