"""The verbs `spaces` and `show`: what there is to search, and what a command line would search."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from sesemi_search.space.parse import parse_space

Command = Callable[..., tuple[int, str]]
LR = "space.learner.hparams.optimizer.lr"
SHOWN = """\
# space=tiny
# 5 dimensions: 2 conditional, 3 continuous
# 122 configs of the discrete dimensions, times the continuous ones
space:
  learner:
    hparams:
      model:
        backbone:
          out_features: {int: [4, 64], log: true}
        head:
          choice:
            linear:
              _target_: sesemi_search.models.heads.LinearHead
              dropout: {float: [0.0, 0.5]}
            scaled:
              _target_: sesemi_search.models.heads.ScaledCosineHead
              scale: {float: [1.0, 32.0], log: true}
      optimizer:
        lr: {float: [0.01, 1.0], log: true}
"""


def test_spaces_lists_the_users_and_ours_with_their_first_comment(command: Command, project: Path) -> None:
    folder = project / "search_spaces" / "space"
    (folder / "lenet_cosine.yaml").write_text("# @package _global_\n#\n# Mine, in place of yours.\nspace: {}\n")
    (folder / "vision").mkdir()
    (folder / "vision" / "bare.yaml").write_text("space: {}\n")
    code, output = command("spaces")
    assert code == 0
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in output.splitlines()]
    assert ["lenet_cosine", "Mine, in place of yours.", "search_spaces/space/lenet_cosine.yaml"] in rows
    assert ["tiny", "Width, head and learning rate of a linear model.", "search_spaces/space/tiny.yaml"] in rows
    assert ["vision/bare", "search_spaces/space/vision/bare.yaml"] in rows
    assert rows == sorted(rows)


def test_spaces_names_our_own_with_their_place(command: Command) -> None:
    code, output = command("spaces")
    assert code == 0
    assert any(line.startswith("lenet_cosine") and "/search_spaces/space/" in line for line in output.splitlines())


def test_show_prints_the_space_and_its_size(command: Command) -> None:
    assert command("show", "space=tiny") == (0, SHOWN)


def test_show_prints_the_space_that_the_overrides_leave(command: Command) -> None:
    overrides = [f"{LR}={{float: [0.1, 0.5], step: 0.1}}", "space.learner.hparams.model.head=linear"]
    overrides += ["space.learner.hparams.optimizer.betas.1=0.5", "~space.learner.hparams.model.head.dropout"]
    code, output = command("show", "space=tiny", *overrides)
    assert code == 0
    assert "# 305 configs in all" in output
    space = OmegaConf.to_container(OmegaConf.create(output))
    assert isinstance(space, dict)
    assert space["space"]["learner"]["hparams"] == {
        "model": {
            "backbone": {"out_features": {"int": [4, 64], "log": True}},
            "head": {"_target_": "sesemi_search.models.heads.LinearHead"},
        },
        "optimizer": {"lr": {"float": [0.1, 0.5], "step": 0.1}, "betas": {1: 0.5}},
    }
    parse_space(space["space"])


def test_a_space_is_shown_whose_experiment_lacks_values(command: Command) -> None:
    code, output = command("show", "space=timm")
    assert code == 0, output
    assert "# space=timm" in output
    assert "resnet10t" in output
    code, output = command("run", "space=timm", "--cfg", "job")
    assert code == 0, output
    assert "folder: ???" in output


def test_a_missing_value_says_what_to_type(command: Command) -> None:
    code, output = command("check", "space=timm")
    assert code == 2
    key = "data.source.folder"
    assert f"error: {key}: missing; " in output
    assert f"Write {key}=VALUE on the command line, or set it in a config." in output


def test_a_space_that_is_shown_can_be_saved_and_shown_again(command: Command, project: Path) -> None:
    _, first = command("show", "space=tiny")
    saved = project / "search_spaces" / "space" / "saved.yaml"
    saved.write_text("# @package _global_\ndefaults: [/tiny, _self_]\n" + first)
    assert command("show", "space=saved") == (0, first.replace("space=tiny", "space=saved"))


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["show"], ["space: missing", "tiny"]),
        (["show", "space=tinny"], ["Did you mean 'tiny'?"]),
        (["show", "space=tiny", f"{LR}={{float: [1, 0]}}"], [f"{LR}.float", "low is above high", "(command line)"]),
        (["spaces", "space=tiny"], ["it takes no overrides", "show space=NAME"]),
        (["spaces", "--config-dir", "nowhere"], ["--config-dir: nowhere is not a folder"]),
    ],
)
def test_a_mistake_is_one_message(argv: list[str], says: list[str], command: Command) -> None:
    code, output = command(*argv)
    assert code == 2
    assert output.count("error:") == 1
    assert all(words in output for words in says), output
