"""Where the time of a training step goes: its parts by name, and the profile of some steps.

The fit loop tells a `StepWatch` which part of a step it is at. A plain one does nothing with it; a `StepProfile` has
torch's profiler record the last steps of an epoch and the first batches of the validation behind them, in one trace.
No number of a run depends on it.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, record_function

__all__ = ["Part", "StepProfile", "StepWatch"]

Batches = Iterator[tuple[Tensor, Tensor]]

_NUM_STEPS = 20  # enough for a mean, and a trace of some megabytes
_NOTHING = nullcontext()


class Part(StrEnum):
    """The parts of a step and of a validation, by their names in the trace.

    `gradients` are `forward`, `backward` and what a CUDA graph does in their place. The waits are for what a GPU has
    yet to do of the steps before.
    """

    step = "train/step"
    data = "train/data"
    gradients = "train/gradients"
    forward = "train/forward"
    backward = "train/backward"
    update = "train/update"
    wait = "train/wait"
    validation = "val/batch"
    validation_wait = "val/wait"


class StepWatch:
    """Is told where a step is, and does nothing with it."""

    def part(self, name: Part) -> AbstractContextManager[Any]:  # noqa: ARG002
        """Returns what to enter while a part of a step runs."""
        return _NOTHING

    def training(self, batches: Batches, num_batches: int) -> Batches:  # noqa: ARG002
        """Yields the batches of an epoch's steps, so many; a step goes from one request to the next."""
        return batches

    def validation(self, batches: Batches, num_batches: int) -> Batches:  # noqa: ARG002
        """Yields the batches of the validation, so many."""
        return batches


class StepProfile(StepWatch):
    """Profiles the last 20 steps of one epoch, and the first 20 batches of its validation.

    A context manager around that epoch; what it recorded is there afterwards.

    Args:
        device: Where the run trains.
    """

    def __init__(self, device: torch.device) -> None:
        self.has_gpu = device.type == "cuda"
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self.has_gpu else [])]
        self._profiler = torch.profiler.profile(activities=activities)
        self._is_running = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def part(self, name: Part) -> AbstractContextManager[Any]:
        """Returns what names a part of a step in the trace."""
        return record_function(name) if self._is_running else _NOTHING

    def training(self, batches: Batches, num_batches: int) -> Batches:
        """Yields the batches of an epoch's steps; the last of them are profiled."""
        for number in range(num_batches):
            if number == max(0, num_batches - _NUM_STEPS):
                self._start()
            with self.part(Part.step):
                with self.part(Part.data):
                    batch = next(batches)
                yield batch
        self._wait(Part.wait)
        yield from batches  # there are no more: it ends the pass of a DataLoader

    def validation(self, batches: Batches, num_batches: int) -> Batches:
        """Yields the batches of the validation; the first of them are profiled, and with them the profile ends."""
        for _ in range(min(_NUM_STEPS, num_batches)):
            with self.part(Part.validation):
                yield next(batches)
        self._wait(Part.validation_wait)
        self._stop()
        yield from batches

    def events(self) -> list[Any]:
        """Returns what was recorded, as torch's `FunctionEvent`s."""
        return list(self._profiler.events() or ())  # type: ignore[no-untyped-call]

    def export(self, path: Path) -> None:
        """Writes the trace, JSON that Perfetto and Chrome open; compressed where the name ends in `.gz`."""
        self._profiler.export_chrome_trace(str(path))

    def _start(self) -> None:
        if self.has_gpu:
            torch.cuda.synchronize()
        self._profiler.start()
        self._is_running = True

    def _stop(self) -> None:
        if self._is_running:
            self._is_running = False
            self._profiler.stop()

    def _wait(self, part: Part) -> None:
        """Waits for what a GPU has yet to do, which belongs to the time of the steps so far."""
        if self.has_gpu and self._is_running:
            with self.part(part):
                torch.cuda.synchronize()
