"""Steps recorded as CUDA graphs: the eager run's numbers, and an eager run where a step cannot be recorded."""

import copy
import gc
import random
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sesemi_search.config.schema import CudaGraph, ExperimentConfig, Precision
from sesemi_search.data import InMemoryImages, LabelledImages, Preparation
from sesemi_search.data.augment import RandomCrop, RandomErasing, RandomHorizontalFlip
from sesemi_search.errors import ConfigError
from sesemi_search.metrics import SPLIT_METRICS
from sesemi_search.training import Fit
from sesemi_search.training.cuda_graph import StepGraph, _find_obstacle, records_steps

CPU, GPU = torch.device("cpu"), torch.device("cuda")
MEAN, STD = [0.1307] * 3, [0.3081] * 3


class Plain(nn.Module):
    """A backbone that can be recorded; its subclasses cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 32 * 32, 16)
        self.out_features = 16

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1)).relu() * self.factor(images)

    def factor(self, images: Tensor) -> float | Tensor:
        return 1.0


class Reads(Plain):
    def factor(self, images: Tensor) -> float:
        return 1 + abs(images.mean().item())


class Waits(Plain):
    """Waits in a way that torch does not tell of: only the recording fails."""

    def factor(self, images: Tensor) -> float:
        torch.cuda.synchronize()
        return 1.0


class DrawsOnCPU(Plain):
    def factor(self, images: Tensor) -> float:
        return random.random()


class Counts(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.num_calls = 0

    def factor(self, images: Tensor) -> float:
        self.num_calls += 1
        return 1 / self.num_calls


class Replaces(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(()))

    def factor(self, images: Tensor) -> Tensor:
        self.center = 0.9 * self.center + 0.1 * images.mean().detach()
        return 1 + self.center


NOT_RECORDED = {
    Reads: "waits for a number from the GPU at .*test_cuda_graph.py",
    Waits: "Error",
    DrawsOnCPU: "draws random numbers on the CPU",
    Counts: "a module changes its attributes",
    Replaces: "a module changes its attributes",
}


def of_module(experiment: ExperimentConfig, module: type[nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a class of this file the backbone."""
    monkeypatch.setattr("sesemi_tutorials.models.LeNet5", module)
    experiment.learner.hparams.model.backbone = {"_target_": "sesemi_tutorials.models.LeNet5"}


@pytest.mark.parametrize(
    ("setting", "device", "dtype", "records"),
    [
        (CudaGraph.auto, CPU, None, False),
        (CudaGraph.never, CPU, None, False),
        (CudaGraph.auto, GPU, None, True),
        (CudaGraph.always, GPU, torch.bfloat16, True),
        (CudaGraph.auto, GPU, torch.float16, False),
        (CudaGraph.never, GPU, None, False),
    ],
)
def test_what_is_recorded(setting: CudaGraph, device: torch.device, dtype: torch.dtype | None, records: bool) -> None:
    assert records_steps(setting, device, dtype) is records


def test_a_graph_cannot_be_demanded_on_the_cpu(experiment: ExperimentConfig, build_fit: Callable[..., Fit]) -> None:
    experiment.run.cuda_graph = CudaGraph.always
    with pytest.raises(ConfigError, match=r"run\.cuda_graph: got 'always' on the CPU; it takes auto or never"):
        build_fit(experiment)


def test_a_graph_cannot_be_demanded_in_float16() -> None:
    with pytest.raises(ConfigError, match=r"got 'always' in float16 \(run\.precision\)"):
        records_steps(CudaGraph.always, GPU, torch.float16)


def test_steps_are_taken_as_they_are_where_none_is_recorded() -> None:
    seen: list[int] = []
    graph = StepGraph("training", (), (), CudaGraph.auto, enabled=False)
    for size in (4, 4, 4, 4, 4, 2):
        graph.run(lambda images, labels: seen.append(len(images)), torch.zeros(size, 1), torch.zeros(size))
    assert seen == [4, 4, 4, 4, 4, 2]


@pytest.fixture
def watched_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[nn.Module], str]:
    """Tells what of a module's step on the CPU a replay would not repeat; nothing waits there."""
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda mode: None)
    images = torch.rand(4, 3, 32, 32)
    return lambda module: _find_obstacle(lambda: module(images).sum().backward(), (module,))


@pytest.mark.parametrize("module", [DrawsOnCPU, Counts, Replaces])
def test_what_a_replay_would_not_repeat_is_found(
    module: type[nn.Module], watched_step: Callable[[nn.Module], str]
) -> None:
    assert NOT_RECORDED[module] in watched_step(module())


@pytest.mark.parametrize("module", [nn.BatchNorm2d(3), nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))])
def test_buffers_that_change_in_place_are_no_obstacle(
    module: nn.Module, watched_step: Callable[[nn.Module], str]
) -> None:
    assert watched_step(module) == ""


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: torch.rand(1)])
def test_draws_of_every_generator_of_the_cpu_are_found(
    draw: Callable[[], object], watched_step: Callable[[nn.Module], str]
) -> None:
    class Draws(Plain):
        def factor(self, images: Tensor) -> float:
            draw()
            return 1.0

    assert "on the CPU" in watched_step(Draws())


@pytest.fixture
def graphed_and_eager(
    digits: dict[str, LabelledImages],
) -> Callable[[ExperimentConfig], tuple[Fit, Fit]]:
    """Builds two fits of a config on augmented digits: one must record its steps, the other must not."""

    def build(config: ExperimentConfig) -> tuple[Fit, Fit]:
        fits = []
        for setting in (CudaGraph.always, CudaGraph.never):
            config.run.cuda_graph = setting
            transforms = (RandomCrop(2), RandomHorizontalFlip(), RandomErasing())
            train = InMemoryImages(digits["train"], Preparation(MEAN, STD, 3, "cuda", transforms))
            fits.append(
                Fit(copy.deepcopy(config), train, InMemoryImages(digits["val"], Preparation(MEAN, STD, 3, "cuda")))
            )
        return fits[0], fits[1]

    return build


def train_equally(graphed: Fit, eager: Fit, epochs: int) -> None:
    """Trains both and holds them to the same numbers and weights, to the last bit."""
    for _ in range(epochs):
        numbers = [fit.train_epoch() for fit in (graphed, eager)]
        assert numbers[0] | {"epoch_seconds": 0} == numbers[1] | {"epoch_seconds": 0}
    pairs = zip(graphed.model.state_dict().items(), eager.model.state_dict().items(), strict=True)
    assert [name for (name, value), (_, other) in pairs if not torch.equal(value, other)] == []


def is_recorded(fit: Fit) -> bool:
    return bool(fit._training_step._recorded)


RESNET = {"_target_": "sesemi_search.models.backbones.CIFARResNet", "n": 1, "width": 8}
VIT = {
    "_target_": "sesemi_search.models.backbones.ViT",
    "image_size": 32,
    "patch_size": 8,
    "dim": 32,
    "depth": 2,
    "num_heads": 2,
}
GPU_VARIANTS: dict[str, Callable[[ExperimentConfig], object]] = {
    "lenet-dropout": lambda config: None,
    "resnet-ema-clip": lambda config: (
        setattr(config.learner.hparams.model, "backbone", RESNET),
        setattr(config.learner.hparams.model.ema, "decay", 0.9),
        setattr(config.run, "gradient_clip_norm", 0.5),
    ),
    "resnet-adamw": lambda config: (
        setattr(config.learner.hparams.model, "backbone", RESNET),
        setattr(config.learner.hparams, "optimizer", {"_target_": "torch.optim.AdamW"}),
    ),
    "metrics": lambda config: setattr(config.learner, "metrics", dict.fromkeys(SPLIT_METRICS, True)),
    "vit": lambda config: setattr(config.learner.hparams.model, "backbone", VIT),
    "arcface": lambda config: setattr(
        config.learner.hparams.model, "head", {"_target_": "sesemi_search.models.heads.ArcFaceHead", "scale": 8.0}
    ),
}


@pytest.mark.gpu
@pytest.mark.parametrize("precision", [Precision.fp32, Precision.bf16])
@pytest.mark.parametrize("variant", GPU_VARIANTS)
def test_a_recorded_run_has_the_eager_runs_numbers(
    variant: str,
    precision: Precision,
    experiment: ExperimentConfig,
    graphed_and_eager: Callable[..., tuple[Fit, Fit]],
) -> None:
    GPU_VARIANTS[variant](experiment)
    experiment.run.precision, experiment.run.num_epochs = precision, 5
    graphed, eager = graphed_and_eager(experiment)
    train_equally(graphed, eager, epochs=5)
    assert is_recorded(graphed)
    assert graphed._validation_step._recorded
    assert not is_recorded(eager)


@pytest.mark.gpu
def test_a_resumed_recorded_run_is_equal_to_the_undisturbed_one(
    experiment: ExperimentConfig, graphed_and_eager: Callable[..., tuple[Fit, Fit]]
) -> None:
    graphed, eager = graphed_and_eager(experiment)
    train_equally(graphed, eager, epochs=1)
    state = copy.deepcopy(graphed.state_dict())
    resumed, _ = graphed_and_eager(experiment)
    # One that has recorded already takes the state up as well.
    for fit in (resumed, graphed):
        fit.load_state_dict(copy.deepcopy(state))
        undisturbed, _ = graphed_and_eager(experiment)
        undisturbed.train_epoch()
        train_equally(fit, undisturbed, epochs=2)
        assert is_recorded(fit)


@pytest.mark.gpu
@pytest.mark.parametrize("module", NOT_RECORDED)
def test_a_step_that_cannot_be_recorded_is_taken_as_it_is(
    module: type[nn.Module],
    experiment: ExperimentConfig,
    graphed_and_eager: Callable[..., tuple[Fit, Fit]],
    build_fit: Callable[..., Fit],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        of_module(experiment, module, patch)
        experiment.run.num_epochs = 5
        _, eager = graphed_and_eager(experiment)
        experiment.run.cuda_graph = CudaGraph.auto
        fit = Fit(experiment, eager._train, eager._val)
        train_equally(fit, eager, epochs=5)
        lines = [line for line in said if "run.cuda_graph" in line]
        assert [line.split(":")[1].split()[0] for line in lines] == ["training", "validation"]
        assert re.search(NOT_RECORDED[module], lines[0])
        del fit, eager
    # The next trial of the process draws on the GPU, records, and gets its memory.
    train_equally(*(following := graphed_and_eager(experiment)), epochs=2)
    assert is_recorded(following[0])


@pytest.mark.gpu
def test_memory_comes_back_after_a_recording_that_failed(
    experiment: ExperimentConfig, build_fit: Callable[..., Fit], monkeypatch: pytest.MonkeyPatch
) -> None:
    build_fit(experiment, "cuda").train_epoch()
    with monkeypatch.context() as patch:
        of_module(experiment, Waits, patch)
        build_fit(experiment, "cuda").train_epoch()
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    large = torch.empty(1 << 28, device="cuda")
    del large
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == before


@pytest.mark.gpu
def test_a_graph_that_is_demanded_and_not_there_is_a_config_error(
    experiment: ExperimentConfig, build_fit: Callable[..., Fit], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_module(experiment, Reads, monkeypatch)
    experiment.run.cuda_graph = CudaGraph.always
    with pytest.raises(ConfigError, match=r"run\.cuda_graph: got 'always', but training cannot be recorded .* waits"):
        build_fit(experiment, "cuda").train_epoch()


@pytest.mark.gpu
def test_memory_of_graphs_is_given_back_with_their_fit(
    experiment: ExperimentConfig, build_fit: Callable[..., Fit]
) -> None:
    experiment.run.cuda_graph = CudaGraph.always
    experiment.learner.hparams.model.backbone = RESNET
    reserved = []
    for _ in range(20):
        fit = build_fit(experiment, "cuda")
        fit.train_epoch()
        assert is_recorded(fit)
        del fit
        torch.cuda.empty_cache()  # collects no garbage: nothing of a Fit may be in a circle
        reserved.append(torch.cuda.memory_reserved())
    assert reserved[-1] == reserved[3]


@pytest.mark.gpu
def test_batches_of_other_shapes_between_replays_change_nothing() -> None:
    def train(setting: CudaGraph) -> list[Tensor]:
        torch.manual_seed(0)
        layer = nn.Linear(6, 3).cuda()
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
        graph = StepGraph("training", (layer,), list(layer.parameters()), setting, setting is CudaGraph.always)

        def step(images: Tensor, labels: Tensor) -> None:
            optimizer.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(layer(images), labels).backward()

        for size in (8, 8, 8, 8, 5, 8, 5, 5, 5, 8, 5, 8, 3, 8):
            graph.run(step, torch.randn(size, 6, device="cuda"), torch.randint(3, (size,), device="cuda"))
            optimizer.step()
        assert len(graph._recorded) == (2 if setting is CudaGraph.always else 0)
        return [parameter.detach() for parameter in layer.parameters()]

    pairs = zip(train(CudaGraph.always), train(CudaGraph.never), strict=True)
    assert all(torch.equal(graphed, eager) for graphed, eager in pairs)
