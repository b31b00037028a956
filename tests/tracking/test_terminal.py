import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from sesemi_search.tracking.pace import Pace
from sesemi_search.tracking.terminal import TerminalEpochs, TerminalProgress
from sesemi_search.tracking.tracker import RunStart, Trackers
from tests.search.clock import Clock


def run(
    number: int, history: Mapping[int, Mapping[str, float]] | None = None, params: Mapping[str, Any] | None = None
) -> RunStart:
    params = {"lr": 0.00312, "head": "cosine"} if params is None else params
    return RunStart(number, f"s-{number}", f"s {number}", "trial", "s", params, {}, 3, history or {})


def console(terminal: bool, width: int = 100, height: int = 25) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, height=height)


def view(progress: TerminalProgress) -> str:
    """What the live view shows."""
    drawn = console(terminal=False, width=progress._console.width)
    drawn.print(progress._render())
    return printed(drawn)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_output_is_one_line_a_trial() -> None:
    out = console(terminal=False)
    progress = TerminalProgress(out, "val/top1", "max", 3)
    for number, (outcome, value) in enumerate([("complete", 0.9), ("stopped", 0.95), ("complete", 0.8)]):
        progress.start(run(number))
        progress.log(number, 1, {"val/top1": 0.1})
        progress.log(number, 2, {"val/top1": value})
        progress.end(number, outcome, {})
    progress.close()
    lines = printed(out).splitlines()
    assert len(lines) == 3
    assert lines[0].split() == ("trial 0 complete epoch 2/3 val/top1 0.9000 best 0.9000 lr=3.1e-03 head=cosine".split())
    # The early value of a stopped trial is not the best one.
    assert "best 0.9000" in lines[1]
    assert "best 0.9000" in lines[2]


def test_lower_is_better_when_asked() -> None:
    out = console(terminal=False)
    progress = TerminalProgress(out, "val/loss", "min", 2)
    for number, value in enumerate([0.5, 0.4]):
        progress.start(run(number))
        progress.log(number, 1, {"val/loss": value})
        progress.end(number, "complete", {})
    assert "best 0.4000" in printed(out).splitlines()[1]


def test_trial_without_a_report_has_a_dash() -> None:
    out = console(terminal=False)
    progress = TerminalProgress(out, "val/top1", "max", 1)
    progress.start(run(0))
    progress.end(0, "out_of_memory", {})
    assert "out of memory" in printed(out)
    assert "val/top1 -" in printed(out)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_trial_that_fails_says_why_in_its_line(terminal: bool) -> None:
    out = console(terminal)
    progress = TerminalProgress(out, "val/top1", "max", 2)
    progress.start(run(0))
    progress.end(0, "error", {"error": "ValueError: [not markup] " + "x" * 200})
    progress.close()
    (line,) = [line for line in printed(out).splitlines() if "trial    0" in line]
    assert "head=cosine  ValueError: [not markup] xxx" in line
    assert line.rstrip().endswith("xxx...")
    assert line.count("x") < 120


def test_live_table_shows_running_trials_counts_and_the_best() -> None:
    out = console(terminal=True)
    progress = TerminalProgress(out, "val/top1", "max", 5, num_slots=2)
    progress.start(run(0))
    progress.log(0, 1, {"val/top1": 0.25})
    progress.end(0, "complete", {})
    progress.start(run(1, history={1: {"val/top1": 0.5}}))
    text = view(progress)
    progress.close()
    row = next(line for line in text.splitlines() if "1/3" in line)
    assert row.split() == ["1", "1/3", "0.5000", "3.1e-03", "cosine"]
    assert "1/5 trials (1 complete)" in text
    assert "best val/top1 0.2500 (trial 0)  lr=3.1e-03 head=cosine" in text
    assert "1 of 2 slots in use" in text


def test_the_live_table_says_that_workers_start_until_one_has_reported() -> None:
    out = console(terminal=True)
    progress = TerminalProgress(out, "val/top1", "max", 5)
    for number in range(2):
        progress.start(run(number))
    assert "starting 2 workers" in view(progress)
    progress.log(1, 1, {"val/top1": 0.25})
    later = view(progress)
    progress.close()
    assert "starting" not in later


def test_parameters_in_which_the_running_trials_differ_come_first() -> None:
    progress = TerminalProgress(console(terminal=False), "val/top1", "max", 5)
    progress.start(run(0, params={"seed": 1, "momentum": 0.9, "lr": 0.01, "head": "linear", "dropout": 0.1}))
    progress.start(run(1, params={"seed": 1, "momentum": 0.95, "lr": 0.9, "head": "cosine"}))
    header = view(progress).splitlines()[0].split()
    assert header[3:] == ["head", "dropout", "lr", "momentum", "seed"]


@pytest.mark.parametrize("width", [20, 40, 80, 300])
def test_the_live_view_is_a_line_a_trial_at_any_width(width: int) -> None:
    out = console(terminal=False, width=width)
    progress = TerminalProgress(out, "val/top1", "max", 50, {"out_of_memory": 3, "stopped": 7})
    params = {f"parameter{i}": 0.123 * (i + 1) for i in range(12)}
    for number in range(3):
        progress.start(run(number, params=params))
    for epoch in ("0/3", "1/3"):
        lines = view(progress).splitlines()
        assert len(lines) == 1 + 3 + 3
        assert all(len(line) <= width for line in lines)
        assert [line.split()[:2] for line in lines[1:4]] == [["0", epoch], ["1", "0/3"], ["2", "0/3"]]
        assert "…" not in "".join(lines[:4])
        progress.log(0, 1, {"val/top1": 0.5})


def test_of_more_trials_than_the_terminal_has_lines_the_rest_is_counted() -> None:
    out = console(terminal=False, height=12)
    progress = TerminalProgress(out, "val/top1", "max", 99)
    for number in range(20):
        progress.start(run(number))
    text = view(progress)
    assert "and 15 more" in text
    assert len(text.splitlines()) <= 12


def test_what_is_left_is_told_from_the_epochs_so_far_and_a_budget_ends_it_sooner() -> None:
    budgets = iter([None, 90.0])
    progress = TerminalProgress(
        console(terminal=False), "val/top1", "max", 9, num_slots=1, budget_left=lambda rate: next(budgets)
    )
    progress._pace = Pace(clock := Clock())
    progress.start(run(0))
    for epoch in (1, 2):
        clock.wait(50)
        progress.log(0, epoch, {"val/top1": 0.5, "epoch_seconds": 40})
    progress.end(0, "stopped", {})
    # Eight trials of two epochs, fifty seconds each.
    assert "1:40, about 13:20 left, 0 of 1 slots in use" in view(progress)
    assert "1:40, 1:30 left of the budget" in view(progress)


def test_a_trial_that_waits_to_go_on_has_not_ended() -> None:
    progress = TerminalProgress(console(terminal=False), "val/top1", "max", 9)
    progress.start(run(0))
    progress.end(0, "interrupted", {})
    progress.start(run(0))
    assert "0/9 trials" in view(progress)


def test_final_run_is_a_line_an_epoch() -> None:
    out = console(terminal=False)
    epochs = TerminalEpochs(out)
    epochs.start(run(0))
    everything = {"lr": 0.1, "train/loss": 1.5, "train/top1": 0.4, "val/loss": 1.25, "val/top1": 0.5}
    epochs.log(0, 1, {**everything, "epoch_seconds": 2.04})
    epochs.log(0, 2, {"lr": 0.1, "val/top1": 0.6})
    epochs.end(0, "complete", {})
    epochs.close()
    header, first, second = printed(out).splitlines()
    assert header.split() == ["epoch", "lr", "train/loss", "train/top1", "val/loss", "val/top1", "seconds"]
    assert first.split() == ["1/3", "1.00e-01", "1.5000", "0.4000", "1.2500", "0.5000", "2.0"]
    assert second.split() == ["2/3", "1.00e-01", "-", "-", "-", "0.6000", "-"]
    assert len(header) == len(first) == len(second)


class Broken:
    def start(self, run: RunStart) -> None:
        raise OSError("no space left")

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        raise AssertionError("called after it was dropped")

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        raise AssertionError("called after it was dropped")

    def close(self) -> None:
        raise OSError("no space left")


def test_tracker_that_raises_is_dropped_and_the_others_go_on(said: list[str]) -> None:
    out = console(terminal=False)
    trackers = Trackers([Broken(), TerminalProgress(out, "val/top1", "max", 1)])
    trackers.start(run(0))
    trackers.log(0, 1, {"val/top1": 0.5})
    trackers.end(0, "complete", {})
    trackers.close()
    assert said == ["Broken is switched off: OSError: no space left"]
    assert "0.5000" in printed(out)
