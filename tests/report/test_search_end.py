"""What the end of a search says of trials that failed."""

import io
from pathlib import Path

from rich.console import Console

from sesemi_search.report.search_end import print_search_end
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Outcome, TrialRecord
from sesemi_search.search.result import SearchResult
from sesemi_search.search.stopping import Stop, find_common_error
from sesemi_search.space.domains import Tree
from sesemi_search.space.space import Space

DIRECTORY = Path("/searches/one")
TRACEBACK = (
    'Traceback (most recent call last):\n  File "m.py", line {line}, in step\n    raise\n{error}\n  more of it\n'
)


def failed(number: int, error: str, outcome: Outcome = Outcome.error) -> TrialRecord:
    return TrialRecord(number, {}, {}, {}, outcome, message=TRACEBACK.format(line=number, error=error))


def ended(records: list[TrialRecord], best: TrialRecord | None = None, stop: Stop | None = None) -> str:
    console = Console(file=io.StringIO(), width=100)
    result = SearchResult(DIRECTORY, records, [], best, stop, False, 1.0, 0.0, 0.5, 1)
    print_search_end(result, Space(Tree({})), Objectives((Objective("val/top1", True),)), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_each_error_is_told_once_with_the_file_that_has_the_whole_of_it() -> None:
    good = TrialRecord(3, {}, {1: 0.5}, {1: {"val/top1": 0.5}}, Outcome.complete)
    oom = failed(2, "torch.OutOfMemoryError: no memory", Outcome.out_of_memory)
    text = ended([failed(0, "KeyError: 'a'"), failed(1, "KeyError: 'a'"), oom, good], best=good)
    assert f"2 trials failed: KeyError: 'a' (the whole of it: {DIRECTORY}/trials/0000/error.txt)" in text
    assert f"1 trial failed: torch.OutOfMemoryError: no memory (the whole of it: {DIRECTORY}/trials/0002/" in text
    assert "Traceback" not in text


def test_of_many_errors_a_few_are_told() -> None:
    text = ended([failed(i, f"KeyError: {i}") for i in range(5)])
    assert text.count("1 trial failed") == 3
    assert f"2 other errors: error.txt in the folders of the trials in {DIRECTORY}/trials" in text


def test_where_no_trial_completed_one_error_is_printed_in_full_and_once() -> None:
    records = [failed(0, "KeyError: 'a'"), failed(1, "ValueError: [bold]b")]
    text = ended(records)
    assert records[0].message in text
    assert text.count("Traceback") == 1
    alike = [failed(0, "KeyError: 'a'")]
    stop = find_common_error(alike, 1)
    assert stop is not None
    assert ended(alike, stop=stop).count("Traceback") == 1


def test_what_the_trials_show_is_said_and_nothing_where_they_show_nothing() -> None:
    records = [TrialRecord(n, {}, {1: n / 500}, {}, Outcome.complete) for n in (*range(470, 480), 481, 483)]
    lines = ended(records, best=records[-1]).splitlines()
    assert "what the trials show:" in lines
    assert any(line.startswith("- trial 483 leads trial 481 by 0.4 points: less than the 2.3 points") for line in lines)
    assert "refine" not in "".join(lines)  # there is nothing to change in the space
    assert "what the trials show" not in ended(records[:3], best=records[2])
