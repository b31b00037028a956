"""Which device a run trains on, and in which arithmetic."""

import copy
from typing import NamedTuple

import torch
from torch import nn

from sesemi_search.config.schema import Accelerator, DataConfig, Precision
from sesemi_search.errors import ConfigError, exception_text, user_code

__all__ = [
    "Placement",
    "autocast_dtype",
    "is_gpu_lost",
    "is_out_of_memory",
    "make_deterministic",
    "prefers_channels_last",
    "resolve_device",
]

# What torch's CPU allocator says, the CUDA runtime outside torch's allocator, cuBLAS and cuDNN.
_MEMORY_TEXTS = ("can't allocate memory", "CUDA error: out of memory", "ALLOC_FAILED", "ALLOCATION_FAILED")


class Placement(NamedTuple):
    """Where a run trains.

    Attributes:
        device: The device.
        note: A line for the user where the choice was the program's; None where it was theirs.
    """

    device: torch.device
    note: str | None


def resolve_device(accelerator: Accelerator, gpus: float) -> Placement:
    """Chooses the device of a run on this machine.

    Args:
        accelerator: `run.accelerator`.
        gpus: `run.gpus`: 0, a fraction or 1.

    Raises:
        ConfigError: `gpus` is more than a run can take, or a GPU is demanded and there is none.
    """
    if not 0 <= gpus <= 1:
        raise ConfigError(
            "run.gpus",
            f"got {gpus:g}; a run takes at most one GPU in this version. "
            "It takes 0, a fraction (several trials share a GPU) or 1.",
        )
    if accelerator is Accelerator.gpu and gpus == 0:
        raise ConfigError("run.gpus", "got 0 with run.accelerator=gpu; it takes a fraction or 1, or accelerator=auto.")
    if accelerator is Accelerator.cpu or gpus == 0:
        return Placement(torch.device("cpu"), None)
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(0)
        return Placement(torch.device("cuda", 0), f"training on the GPU ({name})")
    if accelerator is Accelerator.gpu:
        raise ConfigError(
            "run.accelerator", "got 'gpu', but there is no GPU here; it takes auto or cpu on this machine."
        )
    return Placement(torch.device("cpu"), f"run.gpus={gpus:g}, but there is no GPU here: training on the CPU")


def autocast_dtype(precision: Precision, device: torch.device) -> torch.dtype | None:
    """Returns the type of the forward pass under autocast, or None for float32 throughout.

    Raises:
        ConfigError: float16 on a CPU, where it is slower than float32 and not supported by every layer.
    """
    if precision is Precision.fp16 and device.type == "cpu":
        raise ConfigError("run.precision", "got 'fp16' on the CPU; it takes auto, fp32 or bf16 there.")
    if precision is Precision.auto and device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return {Precision.bf16: torch.bfloat16, Precision.fp16: torch.float16}.get(precision)


def prefers_channels_last(model: nn.Module, data: DataConfig, device: torch.device, dtype: torch.dtype | None) -> bool:
    """Returns whether the weights of convolutions are to lie in memory with their channels last.

    The tensor cores of a GPU, which work under autocast, take them so: a CIFARResNet-20 trains twice as fast. No shape
    changes, but what comes out of a convolution is no longer contiguous, and a module that calls `view` on it raises.
    So a copy is tried, forwards and backwards.

    Args:
        model: Images (B, C, H, W) to logits (B, K), on the device.
        data: The channels and the size of its images; where the size is left open, the layout stays torch's own.
        device: Where it trains.
        dtype: Of the forward pass under autocast, None without.
    """
    has_convolutions = any(isinstance(each, nn.Conv2d) for each in model.modules())
    if device.type != "cuda" or dtype is None or not has_convolutions or not isinstance(data.image_size, int):
        return False
    try:
        with user_code(), torch.random.fork_rng([device]), torch.autocast(device.type, dtype):
            tried = copy.deepcopy(model).to(memory_format=torch.channels_last)
            images = torch.zeros(2, data.channels, data.image_size, data.image_size, device=device)
            tried(images).float().sum().backward()
    except Exception:  # of a user's module; if it fails in any layout, training will say so
        return False
    return True


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, the machine's or a GPU's.

    torch has a class for what its own allocator of a GPU lacks; where another library asks for the memory (a handle of
    cuBLAS, the context of the first trial on a full GPU) the text has to tell. In a constructor it is the cause of a
    ConfigError.
    """
    said = exception_text(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or any(text in said for text in _MEMORY_TEXTS):
        return True
    return error.__cause__ is not None and is_out_of_memory(error.__cause__)


def is_gpu_lost() -> bool:
    """Whether this process can do nothing more on its GPU.

    After an assertion that failed in a kernel, over a label outside the logits, say, CUDA answers every call with that
    error until the process ends.
    """
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def make_deterministic(device: torch.device, num_threads: int) -> None:
    """Sets what makes equal seeds give equal numbers: the thread count, and on a GPU cuDNN's choice of algorithms.

    Both are global to the process and leak into the next trial of a reused worker, so every run sets them. torch's own
    switch, `use_deterministic_algorithms`, is left alone: it raises on models that have no other algorithm.
    """
    # Sums of 1 and of 2 threads differ in the last bits.
    torch.set_num_threads(num_threads)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
