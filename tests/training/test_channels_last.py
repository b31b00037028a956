"""The layout of convolutions on a GPU: channels last where that is faster and the model takes it."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sesemi_search.config.schema import DataConfig, ExperimentConfig, Precision
from sesemi_search.training import Fit
from sesemi_search.training.device import prefers_channels_last

CPU = torch.device("cpu")


class Flattens(nn.Module):
    """A backbone that takes either layout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 5, stride=4)
        self.out_features = 8 * 7 * 7

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images).relu().flatten(1)


class Views(Flattens):
    """A backbone that counts on what comes out of a convolution being contiguous."""

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images).relu()
        return maps.view(len(maps), -1)


@pytest.fixture
def build(
    experiment: ExperimentConfig, build_fit: Callable[..., Fit], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Fit]:
    """Builds a Fit on the GPU of a class of this file, in bfloat16."""

    def of(backbone: type[nn.Module], precision: Precision = Precision.bf16) -> Fit:
        monkeypatch.setattr("sesemi_tutorials.models.LeNet5", backbone)
        experiment.data.image_size, experiment.data.channels = 32, 3
        experiment.run.precision = precision
        return build_fit(experiment, "cuda")

    return of


def is_channels_last(fit: Fit) -> bool:
    return fit.model.backbone.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_cpu_keeps_the_layout() -> None:
    assert not prefers_channels_last(Flattens(), DataConfig(image_size=32), CPU, torch.bfloat16)


@pytest.mark.gpu
def test_a_gpu_takes_channels_last_under_autocast_alone(build: Callable[..., Fit]) -> None:
    assert is_channels_last(build(Flattens))
    assert not is_channels_last(build(Flattens, Precision.fp32))


@pytest.mark.gpu
def test_a_module_that_views_a_convolution_keeps_its_layout_and_trains(build: Callable[..., Fit]) -> None:
    fit = build(Views)
    assert not is_channels_last(fit)
    assert fit.train_epoch()["train/loss"] > 0


@pytest.mark.gpu
def test_to_try_a_layout_draws_nothing(build: Callable[..., Fit]) -> None:
    build(Flattens)
    taken = torch.rand(3), torch.rand(3, device="cuda").cpu()
    build(Views)
    kept = torch.rand(3), torch.rand(3, device="cuda").cpu()
    assert torch.equal(taken[0], kept[0])
    assert torch.equal(taken[1], kept[1])


@pytest.mark.gpu
def test_a_run_with_channels_last_resumes_as_if_undisturbed(build: Callable[..., Fit]) -> None:
    whole = build(Flattens)
    history = [whole.train_epoch() for _ in range(3)]
    half = build(Flattens)
    half.train_epoch()
    resumed = build(Flattens)
    resumed.load_state_dict(copy.deepcopy(half.state_dict()))
    again = [resumed.train_epoch() for _ in range(2)]
    assert [each["train/loss"] for each in again] == [each["train/loss"] for each in history[1:]]
    assert [each["val/loss"] for each in again] == [each["val/loss"] for each in history[1:]]
