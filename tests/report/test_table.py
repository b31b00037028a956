import io

import pytest
from rich.console import Console

from sesemi_search.formatting import format_seconds, format_value
from sesemi_search.report.table import TrialRow, render_outcomes, render_trials

LINEAR = {"out_features": 128, "head": "linear", "dropout": 0.2081, "lr": 0.00312, "weight_decay": 1e-5}
SCALED = {"out_features": 64, "head": "scaled", "scaled.scale": 16.68, "lr": 0.05, "weight_decay": 1e-5}
ROWS = [
    TrialRow(0, LINEAR, 0.91, 27, "complete", 65.0),
    TrialRow(1, SCALED, 0.99, 3, "stopped", 8.0),
    TrialRow(2, SCALED, 0.93, 27, "complete", 61.0),
    TrialRow(3, SCALED, None, 0, "out_of_memory", 0.5),
    TrialRow(4, SCALED, float("nan"), 2, "diverged", 3.0),
]


def lines(rows: list[TrialRow], width: int, mode: str = "max", limit: int = 10) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(render_trials(rows, "val/top1", mode, limit))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def numbers(text: list[str]) -> list[int]:
    return [int(line[:5]) for line in text if line[:5].strip().isdigit()]


def test_complete_trials_come_first_and_those_without_value_last() -> None:
    assert numbers(lines(ROWS, 120)) == [2, 0, 1, 3, 4]
    assert numbers(lines(ROWS, 120, mode="min")) == [0, 2, 1, 3, 4]
    assert numbers(lines(ROWS, 120, limit=2)) == [2, 0]


def test_absent_parameters_are_dashes_and_floats_are_short() -> None:
    row = next(line for line in lines(ROWS, 120) if line.lstrip().startswith("0 "))
    assert row.split() == "0 0.9100 27 1:05 complete 128 linear - 3.1e-03 1.0e-05 0.2081".split()


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_cut_off(width: int) -> None:
    text = lines(ROWS, width)
    assert max(len(line) for line in text) <= width
    assert "…" not in "".join(text)
    for shown in ("16.68", "0.2081", "3.1e-03", "out of memory"):
        assert any(shown in line for line in text)


def test_narrow_table_has_one_column_for_all_parameters() -> None:
    assert lines(ROWS, 70)[0].split() == ["trial", "val/top1", "epochs", "time", "outcome", "parameters"]


def test_only_parameters_of_the_shown_trials_have_columns() -> None:
    assert not any("dropout" in line for line in lines(ROWS, 120, limit=1))


def test_outcomes_are_counted_on_one_line() -> None:
    assert render_outcomes(ROWS) == "5 trials: 2 complete, 1 stopped, 1 diverged, 1 out of memory"
    assert render_outcomes(ROWS[:1]) == "1 trial: 1 complete"
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
