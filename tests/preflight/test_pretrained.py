"""Which backbones are built with their weights before a search, and how often."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sesemi_search.errors import ConfigError
from sesemi_search.models import weights_wanted
from sesemi_search.preflight.branches import Checked
from sesemi_search.preflight.pretrained import load_pretrained

Check = Callable[..., Checked]
BACKBONE = "learner.hparams.model.backbone"

loaded: Counter[str] = Counter()
_lock = threading.Lock()


class Pretrained(nn.Module):
    """A user's backbone that loads weights, and counts how often."""

    def __init__(self, name: str, pretrained: bool = True, width: int = 4) -> None:
        super().__init__()
        self.out_features = width
        self.layer = nn.LazyLinear(width)
        if pretrained and weights_wanted():
            if name == "missing":
                raise ConfigError(BACKBONE, f"no weights of {name}.")
            with _lock:
                loaded[name] += 1

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))


@pytest.fixture(autouse=True)
def nothing_loaded() -> Iterator[None]:
    loaded.clear()
    yield


def choice(*options: str) -> str:
    """An override that makes a choice among backbones of this module."""
    nodes = ", ".join(f"o{i}: {{_target_: {__name__}.Pretrained, {option}}}" for i, option in enumerate(options))
    return f"space.{BACKBONE}={{choice: {{{nodes}}}}}"


def test_each_pretrained_backbone_is_loaded_once_whatever_its_heads_and_numbers(check: Check, said: list[str]) -> None:
    checked = check(choice("name: first, width: {int: [2, 8]}", "name: second", "name: third, pretrained: false"))
    assert not loaded
    assert len(checked.branches) == 6
    load_pretrained(checked)
    assert loaded == {"first": 1, "second": 1}
    assert said == ["pretrained weights of first, second: loading, and downloading what is missing"]


def test_a_space_without_pretrained_backbones_says_nothing(check: Check, said: list[str]) -> None:
    checked = check()
    said.clear()
    load_pretrained(checked)
    assert said == []


def test_what_cannot_be_loaded_is_said_of_all_backbones_at_once(check: Check) -> None:
    checked = check(choice("name: missing", "name: missing, width: 5", "name: there"))
    with pytest.raises(ConfigError) as raised:
        load_pretrained(checked)
    assert list(map(str, raised.value.problems)) == [
        f"space.{BACKBONE}.choice.o{i}: no weights of missing." for i in (0, 1)
    ]
    assert loaded == {"there": 1}


@pytest.mark.parametrize("form", ["pt", "safetensors"])
def test_a_checkpoint_that_fits_one_name_of_a_choice_makes_the_others_bad_branches(
    check: Check, tmp_path: Path, form: str
) -> None:
    import timm

    path = tmp_path / f"own.{form}"
    weights = timm.create_model("test_resnet").state_dict()
    save_file(weights, path) if form == "safetensors" else torch.save(weights, path)
    names = "name: {choice: [test_resnet, test_efficientnet, test_vit]}"
    node = f"{{_target_: sesemi_search.models.backbones.TimmBackbone, {names}, checkpoint: {path}, image_size: 32}}"
    checked = check(f"space.{BACKBONE}={node}", "space.learner.hparams.model.head=linear")
    assert len(checked.branches) == 3
    assert [branch.choices[f"{BACKBONE}.name"] for branch in checked.bad] == ["test_efficientnet", "test_vit"]
    for branch in checked.bad:
        (problem,) = branch.problems
        name = branch.choices[f"{BACKBONE}.name"]
        assert str(problem).startswith(f"{BACKBONE}.checkpoint: the weights of {path} do not fit {name}: ")
        assert problem.text.endswith("in a space, make each name an option with its own checkpoint.")
    load_pretrained(checked)
