"""The profile of some steps: it records where they are, and changes no number of the run."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent

from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.training import Fit
from sesemi_search.training.step_profile import Part, StepProfile
from sesemi_search.training.step_times import describe_steps

Build = Callable[..., Fit]


def profiled_epoch(fit: Fit) -> StepProfile:
    with StepProfile(fit.device) as profile:
        fit.train_epoch(profile)
    return profile


def spans(profile: StepProfile, name: str) -> list[tuple[float, float]]:
    return [(event.time_range.start, event.time_range.end) for event in profile.events() if event.name == name]


def rows(lines: list[str]) -> dict[str, list[str]]:
    """Returns the numbers of each line by its label."""
    return {(cells := [cell.strip() for cell in line.split("  ") if cell.strip()])[0]: cells[1:] for line in lines}


@pytest.mark.parametrize("profiled", [1, 2])
def test_a_profiled_run_has_the_numbers_of_one_that_is_not(
    experiment: ExperimentConfig, build_fit: Build, profiled: int
) -> None:
    experiment.learner.hparams.model.ema.decay = 0.9
    plain, watched = build_fit(experiment), build_fit(experiment)
    for epoch in (1, 2, 3):
        plain.train_epoch()
        if epoch == profiled:
            profiled_epoch(watched)
        else:
            watched.train_epoch()
    for before, after in zip(plain.history, watched.history, strict=True):
        assert before | {"epoch_seconds": 0.0} == after | {"epoch_seconds": 0.0}
    for one, other in zip(
        plain.eval_model.state_dict().values(), watched.eval_model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_the_last_steps_of_an_epoch_and_the_first_batches_of_its_validation_are_recorded(
    experiment: ExperimentConfig, build_fit: Build
) -> None:
    experiment.run.batch_size_per_gpu = 4  # 82 steps, and 25 batches to validate
    profile = profiled_epoch(build_fit(experiment))
    steps, validation = spans(profile, Part.step), spans(profile, Part.validation)
    assert (len(steps), len(validation)) == (20, 20)
    assert max(end for _, end in steps) <= min(start for start, _ in validation)


def test_an_epoch_of_fewer_steps_is_recorded_whole(experiment: ExperimentConfig, build_fit: Build) -> None:
    profile = profiled_epoch(build_fit(experiment))
    assert (len(spans(profile, Part.step)), len(spans(profile, Part.validation))) == (5, 2)


def test_operators_lie_in_the_part_that_calls_them(experiment: ExperimentConfig, build_fit: Build) -> None:
    profile = profiled_epoch(build_fit(experiment))
    for operator, part in (
        ("aten::convolution_backward", Part.backward),
        ("aten::cross_entropy_loss", Part.forward),
        ("Optimizer.step#SGD.step", Part.update),
        ("aten::addcmul", Part.data),
    ):
        calls = [start for start, _ in spans(profile, operator) if start < spans(profile, Part.validation)[0][0]]
        assert calls, operator
        for start in calls:
            assert any(begin <= start <= end for begin, end in spans(profile, part)), operator


def test_the_parts_add_up_to_a_step(experiment: ExperimentConfig, build_fit: Build) -> None:
    profile = profiled_epoch(build_fit(experiment))
    table = rows(describe_steps(profile.events(), profile.has_gpu))
    parts = ["data", "forward", "backward", "optimizer", "the rest"]
    assert list(table)[:8] == ["mean of 5 steps", *parts, "a step", "validation, a batch"]
    assert sum(float(table[part][0]) for part in parts) == pytest.approx(float(table["a step"][0]), abs=0.01)
    assert sum(float(table[part][1].rstrip("%")) for part in parts) == pytest.approx(100, abs=1)
    assert len(table) == 9 + 5  # and five operators below


def test_an_epoch_that_is_broken_off_leaves_no_profiler_running(
    experiment: ExperimentConfig, build_fit: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = build_fit(experiment)

    def interrupt(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fit.model, "forward", interrupt)
        with pytest.raises(KeyboardInterrupt):
            profiled_epoch(fit)
    assert not torch.autograd._profiler_enabled()
    assert len(spans(profiled_epoch(fit), Part.step)) == 5


def events_of_a_gpu(*, recorded: bool) -> Iterator[FunctionEvent]:
    """Two steps of 10 ms, as torch gives them: 3 ms of kernels launched forwards or by a graph, 4 ms by the update."""

    def event(name: str, start: float, end: float, on_gpu: bool = False, number: int = 0) -> FunctionEvent:
        device = DeviceType.CUDA if on_gpu else DeviceType.CPU
        is_ours = name in set(Part)
        return FunctionEvent(number, name, 1, start, end, device_type=device, is_user_annotation=is_ours)

    for step in range(2):
        begin = step * 10_000
        yield event(Part.step, begin, begin + 9_000)
        yield event(Part.data, begin, begin + 1_000)
        yield event(Part.gradients, begin + 1_000, begin + 5_000)
        if not recorded:
            yield event(Part.forward, begin + 1_000, begin + 2_000)
            yield event(Part.backward, begin + 2_000, begin + 5_000)
        yield event(Part.update, begin + 5_000, begin + 6_000)
        launch = "cudaGraphLaunch" if recorded else "cudaLaunchKernel"
        yield event(launch, begin + 1_500, begin + 1_600, number=10 + step)
        yield event("cuLaunchKernelEx", begin + 5_500, begin + 5_600, number=20 + step)
        # They run later than they were launched.
        yield event("gemm", begin + 3_000, begin + 6_000, on_gpu=True, number=10 + step)
        yield event(Part.forward, begin + 3_000, begin + 6_000, on_gpu=True, number=30 + step)
        yield event("add", begin + 6_000, begin + 10_000, on_gpu=True, number=20 + step)
    yield event(Part.wait, 19_000, 21_000)
    yield event(Part.validation, 21_000, 24_000)


def test_kernels_of_a_gpu_count_for_the_part_that_launched_them() -> None:
    table = rows(describe_steps(events_of_a_gpu(recorded=False), has_gpu=True))
    assert table["forward"] == ["1.000", "10.0%", "3.000"]
    assert table["backward"] == ["3.000", "30.0%", "0.000"]
    assert table["optimizer"] == ["1.000", "10.0%", "4.000"]
    assert table["waiting for the GPU"] == ["1.000", "10.0%", "0.000"]
    assert table["the rest"] == ["3.000", "30.0%", "0.000"]
    assert table["a step"] == ["10.000", "100.0%", "7.000"]
    assert table["validation, a batch"] == ["3.000", "0.000"]
    assert list(table)[-2:] == ["add", "gemm"]
    assert table["add"] == ["4.000", "40.0%", "1.0"]


def test_a_step_that_is_a_cuda_graph_shows_as_one() -> None:
    table = rows(describe_steps(events_of_a_gpu(recorded=True), has_gpu=True))
    assert table["forward and backward"] == ["4.000", "40.0%", "3.000"]
    assert not {"forward", "backward"} & set(table)


@pytest.mark.gpu
def test_a_gpus_profile_has_its_kernels(experiment: ExperimentConfig, build_fit: Build) -> None:
    fit = build_fit(experiment, "cuda")
    fit.train_epoch()
    profile = profiled_epoch(fit)
    table = rows(describe_steps(profile.events(), profile.has_gpu))
    assert float(table["forward and backward"][2]) > 0
    assert float(table["optimizer"][2]) > 0
    assert 0 < float(table["a step"][2]) <= float(table["a step"][0])
