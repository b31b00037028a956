"""What is quoted of an architecture, held against the real thing."""

import random
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from sesemi_search.errors import ConfigError
from sesemi_search.models import build_classifier
from sesemi_search.preflight.architecture import Architectures

TUTORIAL = Path(__file__).parents[2] / "experiments" / "src"
LINEAR = {"_target_": "sesemi_search.models.heads.LinearHead"}
FLAT = {"_target_": "faulty.Flat", "out_features": 16}


@pytest.fixture(autouse=True)
def modules_on_path(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the modules of the test project and of the tutorial importable."""
    check("space.learner.hparams.model.head=linear")
    monkeypatch.syspath_prepend(str(TUTORIAL))


def config_of(backbone: dict[str, Any], head: dict[str, Any] = LINEAR, size: int = 32) -> dict[str, Any]:
    model = {"backbone": backbone, "head": head, "loss": {"_target_": "torch.nn.CrossEntropyLoss"}}
    return {
        "data": {"channels": 3, "image_size": size},
        "learner": {"hparams": {"model": model, "num_classes": 10}},
    }


def saved_by_a_real_batch(config: dict[str, Any], batch_size: int) -> int:
    """Trains one real batch on the CPU, and counts what autograd kept for the backward pass."""
    model = config["learner"]["hparams"]["model"]
    classifier = build_classifier(model["backbone"], model["head"], 10)
    own = {p.untyped_storage().data_ptr() for p in classifier.parameters()}
    storages: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    images, labels = torch.randn(batch_size, 3, 32, 32), torch.zeros(batch_size, dtype=torch.int64)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = torch.nn.functional.cross_entropy(classifier(images), labels)
    loss.backward()
    return sum(storage.nbytes() for address, storage in storages.items() if address not in own)


@pytest.mark.parametrize(
    "config",
    [
        config_of(FLAT),
        config_of({"_target_": "sesemi_tutorials.models.LeNet5"}),
        config_of(FLAT, {"_target_": "sesemi_search.models.heads.ScaledCosineHead"}),
    ],
    ids=["flat", "lenet", "cosine"],
)
def test_memory_of_a_batch_is_what_a_real_batch_saves(config: dict[str, Any]) -> None:
    quoted = Architectures().measure(config).batch_bytes(64)
    assert quoted == pytest.approx(saved_by_a_real_batch(config, 64), rel=0.02)


def test_parameters_and_operations_are_those_of_the_layers() -> None:
    measured = Architectures().measure(config_of(FLAT))
    assert measured.num_params == (192 + 1) * 16 + (16 + 1) * 10
    assert measured.param_bytes == 4 * measured.num_params
    assert measured.flops == 2 * (192 * 16 + 16 * 10)
    assert (measured.output, measured.device) == ((10,), "meta")


def test_a_check_draws_no_random_number_of_anybody_else() -> None:
    config = config_of({"_target_": "faulty.bad_modules.ReadsItem"})
    states = (random.getstate(), torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads())
    Architectures().check(config)
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    assert np.array_equal(np.random.get_state()[1], states[2])
    assert torch.get_num_threads() == states[3]


def test_a_model_beyond_the_limit_is_not_run_with_values() -> None:
    large = {"_target_": "faulty.bad_modules.LargeNaN"}
    assert not Architectures().check(config_of(large)).is_cheap
    with pytest.raises(ConfigError, match="NaNBackbone gives features that are NaN"):
        Architectures().check(config_of({"_target_": "faulty.bad_modules.NaNBackbone"}))


def test_an_architecture_is_built_once() -> None:
    architectures = Architectures()
    first = architectures.check(config_of(FLAT))
    assert architectures.check(config_of(FLAT)) is first
    assert architectures.known(config_of(FLAT)) is first
    assert architectures.known(config_of(FLAT, size=16)) is None


class Unreachable(nn.Module):
    """A user's backbone that looks for its weights whether or not they are wanted, where there is no network."""

    tries: ClassVar[list[str]] = []

    def __init__(self, name: str) -> None:
        super().__init__()
        self.tries.append(name)
        raise OSError("no network")


def test_a_backbone_that_cannot_be_built_is_tried_once_whatever_the_head_and_the_images() -> None:
    architectures = Architectures()
    for name in ("first", "second"):
        for head in (LINEAR, {**LINEAR, "dropout": 0.5}):
            for size in (16, 32):
                node = {"_target_": f"{__name__}.Unreachable", "name": name}
                with pytest.raises(ConfigError, match=f"name='{name}'.* raised OSError: no network"):
                    architectures.check(config_of(node, head, size))
    assert Unreachable.tries == ["first", "first", "second", "second"]  # on the meta device and on the CPU


def test_a_head_that_cannot_be_built_is_no_fault_of_the_backbone() -> None:
    architectures = Architectures()
    with pytest.raises(ConfigError, match="HidesInFeatures"):
        architectures.check(config_of(FLAT, {"_target_": "faulty.bad_modules.HidesInFeatures"}))
    assert architectures.check(config_of(FLAT)).num_params


@pytest.mark.parametrize(("channels", "has_remedy"), [(1, True), (4, False)])
def test_a_backbone_for_color_says_how_gray_images_fit_it(channels: int, has_remedy: bool) -> None:
    config = config_of({"_target_": "sesemi_tutorials.models.LeNet5"})
    config["data"]["channels"] = channels
    with pytest.raises(ConfigError, match=f"LeNet5 fails on images of {channels}x32x32") as raised:
        Architectures().check(config)
    assert str(raised.value).endswith("; data.channels=3 repeats a gray channel") is has_remedy


def test_what_only_works_on_the_cpu_is_said_once() -> None:
    architectures = Architectures()
    assert architectures.describe_fallback() == []
    for head in (LINEAR, {**LINEAR, "dropout": 0.5}):
        architectures.measure(config_of({"_target_": "faulty.bad_modules.ReadsItem"}, head))
    (line,) = architectures.describe_fallback()
    assert line.count("faulty.bad_modules.ReadsItem with ") == 1
