"""A step on a GPU as a CUDA graph: recorded once, then replayed by one launch in place of a hundred.

Small models wait for the CPU, which launches one kernel after the other. A replay runs the same kernels on the same
memory, so its numbers are those of the step itself. It runs no Python, so a step that decides something in Python is
never recorded. What a step consists of is its caller's.
"""

import contextlib
import functools
import logging
import pickle
import random
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import Parameter

from sesemi_search.config.schema import CudaGraph
from sesemi_search.errors import ConfigError, describe_exception, user_code

__all__ = ["StepGraph", "records_steps"]

Step = Callable[[Tensor, Tensor], None]

_logger = logging.getLogger(__name__)
_WARM_UP_STEPS = 3  # libraries choose their kernels and load them; nothing of that can be recorded
_WAITS = "called a synchronizing CUDA operation"  # torch warns of them in no other way


def records_steps(setting: CudaGraph, device: torch.device, dtype: torch.dtype | None) -> bool:
    """Returns whether a run records its training step.

    Args:
        setting: `run.cuda_graph`.
        device: Where the run trains.
        dtype: Of the forward pass under autocast. The scale of float16's gradients is kept in Python.

    Raises:
        ConfigError: It is demanded, on the CPU or in float16.
    """
    possible = device.type == "cuda" and dtype is not torch.float16
    if setting is CudaGraph.always and not possible:
        place = "in float16 (run.precision)" if device.type == "cuda" else "on the CPU"
        raise ConfigError("run.cuda_graph", f"got 'always' {place}; it takes auto or never there.")
    return possible and setting is not CudaGraph.never


class StepGraph:
    """Takes steps: the first three of a shape as they are, all later ones by replaying a CUDA graph.

    A step that cannot be recorded is taken as it is from then on, which is said once. One graph's memory serves the
    shapes in turn; it is given back with this object.

    Args:
        name: What the step does, for a message: `training`.
        modules: All modules that the step runs.
        params: The parameters whose gradients it computes.
        setting: `run.cuda_graph`.
        enabled: Whether to record at all; False takes every step as it is.
    """

    def __init__(
        self, name: str, modules: Sequence[nn.Module], params: Sequence[Parameter], setting: CudaGraph, enabled: bool
    ) -> None:
        self._name = name
        self._modules = tuple(modules)
        self._params = tuple(params)
        self._setting = setting
        self._enabled = enabled
        self._pool = torch.cuda.graph_pool_handle() if enabled else None
        self.clear()

    def clear(self) -> None:
        """Lets go of what was recorded, as modules may hold other tensors now."""
        self._num_steps: Counter[Any] = Counter()
        self._recorded: dict[Any, _Recorded] = {}
        self._replayed: _Recorded | None = None

    def run(self, step: Step, images: Tensor, labels: Tensor) -> None:
        """Takes a step.

        Args:
            step: The same at every call. It returns nothing: what it computes it adds to tensors of its caller's, and
                to the gradients.
            images: (B, C, H, W).
            labels: (B,).

        Raises:
            ConfigError: The step cannot be recorded, and `setting` demands it.
        """
        shape = (images.shape, images.dtype, labels.shape, labels.dtype)
        if self._enabled and shape not in self._recorded and self._num_steps[shape] == _WARM_UP_STEPS:
            self._record(step, shape, images, labels)
        if (recorded := self._recorded.get(shape)) is not None:
            self._replay(recorded, images, labels)
            return
        self._replayed = None
        if self._enabled:
            self._num_steps[shape] += 1
            self._warm_up(step, images, labels, is_last=self._num_steps[shape] == _WARM_UP_STEPS)
        else:
            step(images, labels)

    def _warm_up(self, step: Step, images: Tensor, labels: Tensor, is_last: bool) -> None:
        """Takes a step where it will be recorded; the last time, sees whether it can be."""
        current, aside = torch.cuda.current_stream(), _recording_stream()
        aside.wait_stream(current)
        obstacle = ""
        with torch.cuda.stream(aside):
            if is_last:
                obstacle = _find_obstacle(functools.partial(step, images, labels), self._modules)
            else:
                step(images, labels)
        current.wait_stream(aside)
        if obstacle:
            self._give_up(obstacle)

    def _record(self, step: Step, shape: Any, images: Tensor, labels: Tensor) -> None:
        inputs = images.clone(), labels.clone()
        for parameter in self._params:
            parameter.grad = None  # so that the backward pass writes gradients and adds to none
        graph, aside, obstacle = torch.cuda.CUDAGraph(), _recording_stream(), ""
        try:
            # torch leaves its stream to a recording that failed. Threads of a DataLoader may pin memory meanwhile.
            with (
                user_code(),
                torch.cuda.stream(aside),
                torch.cuda.graph(graph, pool=self._pool, stream=aside, capture_error_mode="thread_local"),
            ):
                step(*inputs)
        except Exception as error:  # a user's module may do anything
            obstacle = _first_line(error)
        if obstacle:
            _end_recording(graph, self._pool)
            self._give_up(obstacle)
            return
        grads = [(parameter, parameter.grad) for parameter in self._params]
        self._recorded[shape] = _Recorded(graph, *inputs, grads)

    def _replay(self, recorded: "_Recorded", images: Tensor, labels: Tensor) -> None:
        recorded.images.copy_(images)
        recorded.labels.copy_(labels)
        if self._replayed is not recorded:
            for parameter, grad in recorded.grads:
                parameter.grad = grad
            self._replayed = recorded
        recorded.graph.replay()

    def _give_up(self, obstacle: str) -> None:
        self._enabled = False
        self.clear()
        if self._setting is CudaGraph.always:
            raise ConfigError(
                "run.cuda_graph",
                f"got 'always', but {self._name} cannot be recorded as a CUDA graph: {obstacle}. "
                "It takes auto or never with this model.",
            )
        _logger.warning("run.cuda_graph: %s goes on without a CUDA graph: %s", self._name, obstacle)


class _Recorded(NamedTuple):
    """A graph of a step, the tensors that it reads its batch from, and the gradients that it writes."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    labels: Tensor
    grads: list[tuple[Parameter, Tensor | None]]


@functools.cache
def _recording_stream() -> torch.cuda.Stream:
    """Returns the one stream of the process to record on: cuBLAS keeps memory for each that it ever sees."""
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]


def _find_obstacle(step: Callable[[], None], modules: Sequence[nn.Module]) -> str:
    """Takes a step and returns why a replay would not be the same; "" where it would."""
    draws, held = _cpu_generators(), _held(modules)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    waits = [each for each in caught if _WAITS in str(each.message)]
    for each in caught:
        # torch also warns that its mode is new.
        if each not in waits and "Synchronization debug mode" not in str(each.message):
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if waits:
        return f"it waits for a number from the GPU at {waits[0].filename}:{waits[0].lineno}"
    if draws != _cpu_generators():
        return "it draws random numbers on the CPU"
    after = _held(modules)
    if len(held) != len(after) or not all(map(_is_same, held, after)):
        return "a module changes its attributes in a step"
    return ""


def _cpu_generators() -> bytes:
    """Returns the states of the generators whose draws a graph would hold fast."""
    return pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state().numpy()))


def _held(modules: Sequence[nn.Module]) -> list[Any]:
    """Returns the tensors and plain values that modules hold: a replay changes tensors in place and nothing else."""
    return [
        value
        for module in modules
        for part in module.modules()
        for held in (vars(part), part._parameters, part._buffers)
        for value in held.values()
        if isinstance(value, Tensor | bool | int | float | str)
    ]


def _is_same(before: Any, after: Any) -> bool:
    if isinstance(before, Tensor) or isinstance(after, Tensor):
        return before is after
    return bool(before == after)


def _first_line(error: BaseException) -> str:
    """Returns what went wrong first: ending the recording fails as well."""
    while error.__context__ is not None:
        error = error.__context__
    return describe_exception(error)


def _end_recording(graph: torch.cuda.CUDAGraph, pool: Any) -> None:
    """Makes the device usable after a recording that failed.

    torch up to 2.11 leaves its allocator and its generator in the recording: cached memory is never given back, and the
    next random draw raises. Later versions clear both in `reset`.
    """
    graph.reset()
    with contextlib.suppress(RuntimeError):  # it is not in the recording
        torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), pool)
        torch._C._cuda_releasePool(torch.cuda.current_device(), pool)
    # A recording that succeeds takes the generator out of the one that did not.
    with torch.cuda.graph(torch.cuda.CUDAGraph(), stream=_recording_stream(), capture_error_mode="thread_local"):
        torch.zeros((), device="cuda")
