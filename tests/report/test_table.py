import io

import pytest
from rich.console import Console

from sesemi_search.formatting import format_seconds, format_value
from sesemi_search.report.table import print_trials, render_outcomes, varied_params
from sesemi_search.report.trial_rows import TrialRow, rank_rows

LINEAR = {"out_features": 128, "head": "linear", "dropout": 0.2081, "lr": 0.00312, "weight_decay": 1e-5}
SCALED = {"out_features": 64, "head": "scaled", "scaled.scale": 16.68, "lr": 0.05, "weight_decay": 1e-5}
ROWS = [
    TrialRow(0, LINEAR, 0.91, 27, "complete", 65.0),
    TrialRow(1, SCALED, 0.99, 3, "stopped", 8.0),
    TrialRow(2, SCALED, 0.93, 27, "complete", 61.0),
    TrialRow(3, SCALED, None, 0, "out_of_memory", 0.5),
    TrialRow(4, SCALED, None, 2, "diverged", 3.0),
]


ALL = "sesemi-search trials DIR"


def lines(rows: list[TrialRow], width: int, params: list[str] | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_trials(rows, "val/top1", varied_params(rows) if params is None else params, ALL, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def numbers(rows: list[TrialRow]) -> list[int]:
    return [row.number for row in rows]


def test_complete_trials_come_first_and_those_without_value_last() -> None:
    assert numbers(rank_rows(ROWS, "max")) == [2, 0, 1, 3, 4]
    assert numbers(rank_rows(ROWS, "min")) == [0, 2, 1, 3, 4]


def test_absent_parameters_are_dashes_and_floats_are_short() -> None:
    row = next(line for line in lines(ROWS, 120) if line.lstrip().startswith("0 "))
    assert row.split() == "0 0.9100 27 1:05 complete 128 linear 0.2081 3.1e-03 -".split()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
def test_a_trial_is_one_line_at_any_width_and_nothing_in_it_is_cut_off(width: int) -> None:
    text = [line for line in lines(ROWS, width) if ALL not in line]
    assert max(len(line) for line in text) <= width
    assert "…" not in "".join(text)
    assert [int(line[:5]) for line in text if line[:5].strip().isdigit()] == numbers(ROWS)
    assert sum("0.9300" in line for line in text) == 1
    assert any("outcome" in line for line in text) == (width >= 40)


def test_where_there_is_little_room_the_parameters_named_first_are_shown_and_where_the_others_are() -> None:
    text = lines(ROWS, 60, ["scaled.scale", "lr", "head", "dropout", "out_features"])
    assert "scale" in "".join(text[:2])
    assert "head" not in "".join(text[:2])
    shown, of = text[-1].split()[0:3:2]
    assert 0 < int(shown) < int(of) == 5
    assert text[-1].endswith(f"all of them: {ALL}")
    assert ALL not in "".join(lines(ROWS, 120))


def test_a_parameter_that_is_the_same_in_all_trials_has_no_column() -> None:
    assert varied_params(ROWS) == ["out_features", "head", "dropout", "lr", "scaled.scale"]
    assert varied_params(ROWS, ["lr", "weight_decay", "head"])[:2] == ["lr", "head"]
    assert varied_params(ROWS[:1]) == list(LINEAR)


def test_a_long_value_is_shortened() -> None:
    rows = [TrialRow(0, {"transforms": {"_target_": "a" * 200}}, 0.5, 1, "complete", 1.0)]
    assert max(map(len, lines(rows, 120))) < 100


def test_outcomes_are_counted_on_one_line() -> None:
    outcomes = [row.outcome for row in ROWS]
    assert render_outcomes(outcomes) == "5 trials: 2 complete, 1 stopped, 1 diverged, 1 out of memory"
    assert render_outcomes(outcomes[:1]) == "1 trial: 1 complete"
    assert render_outcomes([]) == "0 trials"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00312, "3.1e-03"),
        (0.9312345, "0.9312"),
        (0.0, "0"),
        (16.678, "16.68"),
        (1e6, "1.0e+06"),
        (float("nan"), "nan"),
        (128, "128"),
        (True, "True"),
        ("cosine", "cosine"),
    ],
)
def test_values_are_short(value: object, text: str) -> None:
    assert format_value(value) == text


def test_durations() -> None:
    assert [format_seconds(seconds) for seconds in (4.23, 59.99, 65, 7390)] == ["4.2s", "1:00", "1:05", "2:03:10"]
