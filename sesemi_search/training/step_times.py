"""The tables of a step profile: what the parts of a step take, and its most expensive operators."""

import bisect
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from torch.autograd import DeviceType  # type: ignore[attr-defined]

from sesemi_search.formatting import align_columns, shorten
from sesemi_search.training.step_profile import Part

__all__ = ["describe_steps"]

_NUM_OPERATORS = 5
_NAME_WIDTH = 60  # a GPU's kernels are named by all their template arguments
_HEADER = [f"{'ms':>9}", f"{'%':>6}"]
_LABELS = {
    Part.data: "data",
    Part.forward: "forward",
    Part.backward: "backward",
    Part.gradients: "forward and backward",  # as one CUDA graph
    Part.update: "optimizer",
    Part.wait: "waiting for the GPU",
}


def describe_steps(events: Iterable[Any], has_gpu: bool) -> list[str]:
    """Returns the lines of the tables; all times are means, in milliseconds.

    Args:
        events: torch's `FunctionEvent`s of a profile, as `StepProfile.events` gives them.
        has_gpu: Whether a GPU worked.
    """
    trace = _Trace(events)
    return align_columns([*_describe_parts(trace, has_gpu), *_describe_operators(trace, has_gpu)])


class _Spans:
    """When a part ran, in the microseconds of the trace."""

    def __init__(self, events: Iterable[Any]) -> None:
        ranges = sorted((event.time_range.start, event.time_range.end) for event in events)
        self._starts, self._ends = [start for start, _ in ranges], [end for _, end in ranges]
        self.total: float = sum(end - start for start, end in ranges)

    def __len__(self) -> int:
        return len(self._starts)

    def __contains__(self, time: float) -> bool:
        index = bisect.bisect_right(self._starts, time) - 1
        return index >= 0 and time <= self._ends[index]


class _Operation(NamedTuple):
    """An operator on the CPU or a kernel on a GPU: when it was called, and the microseconds that it took itself."""

    name: str
    called: float
    time: float


class _Trace:
    """The events of a profile, by the parts of a step."""

    def __init__(self, events: Iterable[Any]) -> None:
        events, ours = list(events), set(Part)
        on_cpu = [event for event in events if event.device_type == DeviceType.CPU]
        self.spans = {part: _Spans(event for event in on_cpu if event.name == part) for part in Part}
        self.operators = [
            _Operation(event.name, event.time_range.start, event.self_cpu_time_total)
            for event in on_cpu
            if event.name not in ours
        ]
        # A kernel has the number of the call that launched it, whatever thread that was on: backward has its own.
        launches = {event.id: event.time_range.start for event in on_cpu if event.name.startswith("cu")}
        self.kernels = [
            _Operation(event.name, launches.get(event.id, -1.0), event.time_range.elapsed_us())
            for event in events
            # What torch calls annotations of a GPU is the span of a part's kernels, no work.
            if event.device_type == DeviceType.CUDA and not event.is_user_annotation
        ]
        self.num_steps = len(self.spans[Part.step])
        self.step_time = self.spans[Part.step].total + self.spans[Part.wait].total

    def gpu_time(self, part: Part) -> float:
        """Returns the microseconds that a GPU worked on what a part called."""
        return sum(kernel.time for kernel in self.kernels if kernel.called in self.spans[part])


def _describe_parts(trace: _Trace, has_gpu: bool) -> list[list[str]]:
    """Returns a row for each part of a step, and one for a batch of the validation."""
    spans = trace.spans
    hidden = {Part.gradients} if spans[Part.forward] else {Part.forward, Part.backward}
    shown = [part for part in _LABELS if part not in hidden and (has_gpu or part is not Part.wait)]
    rows = [(_LABELS[part], spans[part].total, trace.gpu_time(part)) for part in shown]
    step, gpu = trace.step_time, trace.gpu_time(Part.step)
    rows.append(("the rest", step - sum(row[1] for row in rows), gpu - sum(row[2] for row in rows)))
    rows.append(("a step", step, gpu))
    cells = [[f"mean of {trace.num_steps} steps", *_HEADER, f"{'GPU ms':>9}"]]
    cells += [
        [name, _ms(time / trace.num_steps), f"{time / step:6.1%}", _ms(gpu / trace.num_steps)]
        for name, time, gpu in rows
    ]
    num_batches = len(spans[Part.validation])
    time = spans[Part.validation].total + spans[Part.validation_wait].total
    gpu = trace.gpu_time(Part.validation)
    cells.append(["validation, a batch", _ms(time / num_batches), "", _ms(gpu / num_batches)])
    return cells if has_gpu else [[*row[:-1], ""] for row in cells]


def _describe_operators(trace: _Trace, has_gpu: bool) -> list[list[str]]:
    """Returns a row for each of the operators, on a GPU the kernels, that take most of a step."""
    times: dict[str, float] = defaultdict(float)
    calls: Counter[str] = Counter()
    for operation in trace.kernels if has_gpu else trace.operators:
        if operation.called in trace.spans[Part.step]:
            times[operation.name] += operation.time
            calls[operation.name] += 1
    longest = sorted(times, key=times.__getitem__, reverse=True)[:_NUM_OPERATORS]
    return [
        ["its longest kernels" if has_gpu else "its longest operators", *_HEADER, f"{'calls':>9}"],
        *(
            [
                shorten(name, _NAME_WIDTH),
                _ms(times[name] / trace.num_steps),
                f"{times[name] / trace.step_time:6.1%}",
                f"{calls[name] / trace.num_steps:9.1f}",
            ]
            for name in longest
        ),
    ]


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:9.3f}"
