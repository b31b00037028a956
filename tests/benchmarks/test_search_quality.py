"""The instrument that the defaults were chosen with: virtual time, tables, and what it says of the default."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.search_quality.contenders import make
from benchmarks.search_quality.recorded import RecordedCurves
from benchmarks.search_quality.replay import main as replay
from benchmarks.search_quality.report import read_rows, write_report
from benchmarks.search_quality.simulate import Curve, simulate
from benchmarks.search_quality.synthetic import LANDSCAPES, OPTION

TABLES = Path(__file__).parents[2] / "benchmarks" / "search_quality" / "tables"


class Straight:
    """Trial x has the value x at every epoch, an epoch of which takes x seconds."""

    name = "straight"
    num_epochs = 4
    space: Mapping[str, Any] = {}

    def begin(self) -> None:
        pass

    def curve(self, params: Mapping[str, Any]) -> Curve:
        return Curve([params["x"]] * 4, [], params["x"])


class Counter:
    """Asks for 1, 2, 3, ... and notes what it hears; stops what it is told to stop at the first epoch."""

    def __init__(self, stopped: tuple[int, ...] = ()) -> None:
        self.asked = 0
        self.heard: list[tuple[int, int]] = []
        self._stopped = stopped

    def ask(self) -> tuple[int, Mapping[str, Any]]:
        self.asked += 1
        return self.asked, {"x": float(self.asked)}

    def report(self, key: int, epoch: int, value: float) -> bool:
        self.heard.append((key, epoch))
        return key not in self._stopped


def test_fast_trials_report_more_often_and_a_free_slot_is_filled_at_once() -> None:
    searcher = Counter()
    simulate(Straight(), searcher, 2, [2])
    # Slot one: trial 1 at 1, 2, 3, 4 s, then trial 3 from 4 s on; slot two: trial 2 at 2, 4, 6, 8 s.
    assert searcher.heard == [(1, 1), (2, 1), (1, 2), (1, 3), (2, 2), (1, 4), (2, 3), (3, 1)]


def test_only_a_trial_that_ran_in_full_is_selected_and_budgets_are_epochs_of_all_slots() -> None:
    early, late = simulate(Straight(), Counter(stopped=(2, 3)), 1, [1, 3])
    assert early.params == {"x": 1.0}
    assert late.params == {"x": 4.0}  # 4 epochs, 1, 1, 4: two more trainings are not over
    assert (late.num_trials, late.num_complete) == (5, 2)


def test_nothing_is_selected_before_a_trial_is_complete() -> None:
    (selection,) = simulate(Straight(), Counter(), 4, [1])
    assert math.isnan(selection.val)
    assert selection.params == {}


def test_a_searcher_that_leaves_all_slots_idle_is_a_fault() -> None:
    class Idle(Counter):
        def ask(self) -> Any:
            return None

    with pytest.raises(RuntimeError, match="idle"):
        simulate(Straight(), Idle(), 1, [1])


def test_the_recorded_table_has_every_family_and_gives_a_config_of_the_asked_one() -> None:
    table = RecordedCurves(TABLES / "digits.jsonl")
    rows = [json.loads(line) for line in (TABLES / "digits.jsonl").read_text().splitlines()]
    assert len(rows) == 200
    for row in rows[:20]:
        own = {k: v for k, v in row["config"].items() if k != "family"}
        family = row["config"]["family"]
        params = {"model": family} | {
            name if name in table.space else f"model.{family}.{name}": value for name, value in own.items()
        }
        table.begin()
        assert table.curve(params).test == [math.nan if v is None else v for v in row["test"]]
        assert table.curve(params).test != row["test"]  # it has had that one


def test_an_option_that_is_the_best_only_when_tuned_gets_most_of_the_last_trials() -> None:
    shares = []
    for seed in range(3):
        searcher: Any = make("default", LANDSCAPES["options"], seed)
        simulate(LANDSCAPES["options"], searcher, 2, [20])
        records = searcher._ledger.records()
        last = [record.params["model"] for record in records[-len(records) // 4 :]]
        shares.append(last.count(OPTION) / len(last))
    assert sum(shares) / 3 >= 0.5  # chance: an eighth


def test_the_default_finds_better_configs_of_a_smooth_landscape_than_random_draws() -> None:
    def value(contender: str) -> float:
        table = LANDSCAPES["equal"]
        return sum(simulate(table, make(contender, table, seed), 2, [20])[0].val for seed in range(3)) / 3

    assert value("default") > value("random+asha") + 0.02


def test_a_replay_goes_on_where_it_was_and_its_report_has_every_contender(tmp_path: Path) -> None:
    rows, report = tmp_path / "rows.jsonl", tmp_path / "report.md"
    arguments = [str(rows), "--curves", str(TABLES / "digits.jsonl"), "--processes", "1", "--budgets", "2", "4"]
    replay([*arguments, "--contenders", "random", "--seeds", "1"])
    replay([*arguments, "--contenders", "random", "random+asha", "--seeds", "2"])
    found = read_rows([rows])
    assert sorted((row["contender"], row["seed"]) for row in found) == [
        ("random", 0), ("random", 1), ("random+asha", 0), ("random+asha", 1),
    ]  # fmt: skip
    write_report(found, report)
    text = report.read_text()
    assert "| random+asha | 2 |" in text
    assert "Recorded curves `digits`" in text
