"""Losses and optimizers by `_target_`, the device of a run, and the meta device of the pre-flight."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from sesemi_search.config.schema import Accelerator, Precision
from sesemi_search.errors import ConfigError
from sesemi_search.training import build_loss, build_lr_scheduler, build_optimizer, resolve_device
from sesemi_search.training.device import autocast_dtype, is_gpu_lost, is_out_of_memory

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a machine without GPUs")
CPU = torch.device("cpu")
NOT_AN_OPTIMIZER = {"_target_": "argparse.Namespace"}


def test_everything_builds_on_meta() -> None:
    with torch.device("meta"):
        model = nn.Linear(2, 3)
        loss = build_loss({"_target_": "torch.nn.CrossEntropyLoss", "label_smoothing": 0.1})
        optimizer = build_optimizer(
            {"_target_": "torch.optim.AdamW", "lr": 0.1, "betas": [0.9, 0.99]}, model.parameters()
        )
        for name in ("PolynomialLR", "cosine_lr"):
            node = {"_target_": f"sesemi_search.training.lr_schedules.{name}"}
            assert build_lr_scheduler(node, optimizer, 20, 20) is not None
        assert loss(model(torch.empty(4, 2)), torch.zeros(4, dtype=torch.int64)).is_meta


def test_lists_of_a_config_reach_the_optimizer_as_plain_values() -> None:
    optimizer = build_optimizer({"_target_": "torch.optim.AdamW", "betas": [0.8, 0.9]}, nn.Linear(2, 2).parameters())
    assert type(optimizer.param_groups[0]["betas"]) in (list, tuple)


@pytest.mark.parametrize(("theirs", "ours"), [("learning_rate", "lr"), ("wd", "weight_decay")])
def test_a_name_from_elsewhere_is_answered_with_the_one_here(theirs: str, ours: str) -> None:
    with pytest.raises(ConfigError, match=f"takes no argument '{theirs}'; .* Did you mean '{ours}'"):
        build_optimizer({"_target_": "torch.optim.SGD", theirs: 0.1}, nn.Linear(2, 2).parameters())


def test_frozen_parameters_are_not_optimized() -> None:
    model = nn.Sequential(nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 2))
    optimizer = build_optimizer({"_target_": "torch.optim.SGD"}, model.parameters())
    assert optimizer.param_groups[0]["params"] == list(model[1].parameters())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: build_loss({"_target_": "torch.nn.functional.relu", "input": 3}), "model.loss"),
        (lambda: build_loss({"_target_": "collections.OrderedDict"}), "gave a OrderedDict; it takes a torch.nn.Module"),
        (lambda: build_optimizer({"_target_": "torch.optim.SGD"}, []), "nothing to train"),
        (lambda: build_optimizer({"_target_": "torch.optim.SGD", "lr": -1.0}, nn.Linear(1, 1).parameters()), "Invalid"),
        (lambda: build_optimizer({"_target_": "torch.optim.LBFGS"}, nn.Linear(1, 1).parameters()), "several times"),
        (lambda: build_optimizer(NOT_AN_OPTIMIZER, nn.Linear(1, 1).parameters()), "gave a Namespace; it takes a torch"),
    ],
)
def test_what_cannot_be_built_names_its_key(build: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), True),
        (MemoryError(), True),
        (torch.AcceleratorError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
    ],
)
def test_memory_that_ran_out_is_known_by_whoever_asked_for_it(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_what_torch_says_of_memory_that_a_machine_does_not_have_is_known() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


def test_memory_that_ran_out_in_a_constructor_is_known() -> None:
    with pytest.raises(ConfigError) as raised:
        build_loss({"_target_": "torch.nn.CrossEntropyLoss", "weight": {"_target_": "torch.empty", "size": [1 << 60]}})
    assert is_out_of_memory(raised.value)
    with pytest.raises(ConfigError) as raised:
        build_loss({"_target_": "numpy.empty", "shape": [1 << 58]})  # a MemoryError
    assert is_out_of_memory(raised.value)


@no_gpu
def test_a_gpu_asked_for_where_there_is_none_is_said() -> None:
    placement = resolve_device(Accelerator.auto, 1)
    assert placement.device == CPU
    assert placement.note == "run.gpus=1, but there is no GPU here: training on the CPU"


@pytest.mark.parametrize(("accelerator", "gpus"), [(Accelerator.cpu, 1), (Accelerator.auto, 0)])
def test_a_cpu_asked_for_needs_no_note(accelerator: Accelerator, gpus: float) -> None:
    assert resolve_device(accelerator, gpus) == (CPU, None)


@no_gpu
def test_a_gpu_demanded_where_there_is_none_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"run.accelerator: got 'gpu', but there is no GPU here"):
        resolve_device(Accelerator.gpu, 1)


@pytest.mark.parametrize("gpus", [2, 1.5, -1, float("nan")])
def test_more_than_one_gpu_is_an_error(gpus: float) -> None:
    with pytest.raises(ConfigError, match=r"run.gpus: got .* at most one GPU in this version"):
        resolve_device(Accelerator.auto, gpus)


def test_demanding_a_gpu_and_no_gpus_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"run\.gpus: got 0 with run.accelerator=gpu"):
        resolve_device(Accelerator.gpu, 0)


@pytest.mark.parametrize(
    ("precision", "dtype"), [(Precision.auto, None), (Precision.fp32, None), (Precision.bf16, torch.bfloat16)]
)
def test_precision_on_the_cpu(precision: Precision, dtype: torch.dtype | None) -> None:
    assert autocast_dtype(precision, CPU) == dtype


def test_half_precision_on_the_cpu_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"run\.precision: got 'fp16' on the CPU"):
        autocast_dtype(Precision.fp16, CPU)


def test_a_process_that_uses_no_gpu_has_lost_none() -> None:
    assert not is_gpu_lost()
    assert not torch.cuda.is_initialized()  # asking makes no context


@pytest.mark.gpu
def test_a_failed_assertion_in_a_kernel_loses_the_gpu() -> None:
    script = """
import torch
from sesemi_search.training.device import is_gpu_lost
logits, labels = torch.zeros(2, 3, device="cuda"), torch.tensor([0, 3], device="cuda")
torch.cuda.synchronize()
assert not is_gpu_lost()
try:
    torch.nn.functional.cross_entropy(logits, labels).item()
except RuntimeError:
    print(is_gpu_lost())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
