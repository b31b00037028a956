import pytest

from sesemi_search.errors import ConfigError
from sesemi_search.search.fingerprint import find_changes
from sesemi_search.search.ledger.records import Outcome, TrialRecord
from sesemi_search.search.stopping import Budget, StopKind, error_line, find_common_error, parse_duration

TRACEBACK = (
    'Traceback (most recent call last):\n  File "m.py", line {line}, in forward\n    raise\n{error}: width {number}\n'
)


def record(number: int, outcome: Outcome, message: str = "") -> TrialRecord:
    return TrialRecord(number, {}, {}, {}, outcome, message=message)


def failed(number: int, line: int = 3, error: str = "ValueError") -> TrialRecord:
    return record(number, Outcome.error, TRACEBACK.format(line=line, error=error, number=number))


def test_one_error_for_the_first_trials_is_found_and_shown_once() -> None:
    stop = find_common_error([failed(0), failed(1), failed(2), record(3, Outcome.running)], 50)
    assert stop is not None
    assert stop.kind is StopKind.error
    assert stop.text.count("Traceback") == 1
    assert "first 3 trials" in stop.text


@pytest.mark.parametrize(
    "records",
    [
        [failed(0), failed(1)],
        [failed(0), failed(1), failed(2, line=4)],
        [failed(0), failed(1), failed(2, error="TypeError")],
        [failed(0), failed(1), failed(2), record(3, Outcome.stopped)],
        [record(0, Outcome.complete), failed(1), failed(2), failed(3)],
    ],
)
def test_few_or_different_errors_or_one_trial_that_works_let_the_search_go_on(records: list[TrialRecord]) -> None:
    assert find_common_error(records, 50) is None


def test_the_error_is_the_same_whatever_lines_its_message_has() -> None:
    place = 'Traceback (most recent call last):\n  File "m.py", line 3, in forward\n    raise\n'
    records = [record(i, Outcome.error, f"{place}ValueError: shapes\n{i} x {i}\n") for i in range(3)]
    assert find_common_error(records, 50) is not None


def test_a_short_search_needs_no_more_errors_than_it_has_trials() -> None:
    assert find_common_error([failed(0)], 1) is not None


def test_a_budget_counts_earlier_sittings() -> None:
    assert Budget(100, None, 1, "core", earlier_wall_s=50).exceeded() is None
    stop = Budget(100, None, 1, "core", earlier_wall_s=101).exceeded()
    assert stop is not None
    assert "search.time_budget" in stop.text


def test_compute_is_training_time_times_the_share_of_a_trial() -> None:
    budget = Budget(None, 1.0, 0.5, "GPU", earlier_training_s=3600)
    assert budget.exceeded() is None
    budget.trained(3600)
    stop = budget.exceeded()
    assert stop is not None
    assert "1 of 1 GPU-hours" in stop.text


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("45", 45), (" 1D ", 86400)]
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text, "k") == seconds


@pytest.mark.parametrize("text", ["", "h", "2x", "-1h", "0", "1h-5m", "nan", "inf", "two hours"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="k: got"):
        parse_duration(text, "k")


def test_changes_are_named_by_key_with_both_values() -> None:
    before = {"run": {"num_epochs": 3, "seed": 1}, "space": {"lr": {"float": [0, 1]}}}
    after = {"run": {"num_epochs": 9}, "space": {"lr": {"float": [0, 1]}, "m": 1}}
    assert list(find_changes(before, after)) == [
        "run.num_epochs: was 3, is 9",
        "run.seed: was 1, is gone",
        "space.m: is new, 1",
    ]
    assert not list(find_changes({"run": {}}, {"run": {"a_later_key": None}}))
    assert not list(find_changes({"data": {}}, {"data": {"train_transforms": None}}))
    assert not list(find_changes(before, before))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TRACEBACK.format(line=3, error="ValueError", number=7), "ValueError: width 7"),
        ('Traceback\n  File "m.py", line 3, in f\n    x\nE: first\n\nsecond\n', "E: first"),
        ('a\n  File "m.py", line 3, in f\nE: cause\n\nThe above\n  File "n.py", line 1, in g\nF: last', "F: last"),
        ("The worker died.\nRay says more.", "The worker died."),
        ("", ""),
    ],
)
def test_the_line_of_a_traceback_that_has_the_error_is_found(text: str, line: str) -> None:
    assert error_line(text) == line
