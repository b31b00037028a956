import math
from dataclasses import replace

import pytest

from sesemi_search.config.schema import SearchConfig
from sesemi_search.errors import ConfigError
from sesemi_search.search.ledger.objectives import Objective, Objectives, parse_objectives
from sesemi_search.search.ledger.records import Outcome, TrialRecord

BOTH = Objectives((Objective("val/top1", True), Objective("num_params", False)))


def record(number: int, top1: float, num_params: int | None = None, outcome: Outcome = Outcome.complete) -> TrialRecord:
    metrics = {1: {"val/top1": 0.0, "epoch_seconds": 1.0}, 2: {"val/top1": top1, "epoch_seconds": 3.0}}
    values = {epoch: each["val/top1"] for epoch, each in metrics.items()}
    return TrialRecord(number, {}, values, metrics, outcome, seconds=4.0, num_params=num_params)


RECORDS = [
    record(0, 0.90, 1000),
    record(1, 0.97, 9000),
    record(2, 0.96, 3000),
    record(3, 0.95, 5000),  # trial 2 is better and smaller
    record(4, 0.99, 10, Outcome.stopped),
    record(5, 0.97, 9000),  # as good as trial 1: both are of the front
    record(6, math.nan, 10),
    record(7, 0.98, None),
]


def numbers(records: list[TrialRecord]) -> list[int]:
    return [each.number for each in records]


def test_the_front_holds_the_complete_trials_that_no_other_dominates() -> None:
    assert numbers(BOTH.front(RECORDS)) == [1, 5, 2, 0]
    largest = Objectives((Objective("val/top1", True), Objective("num_params", True)))
    assert numbers(largest.front(RECORDS)) == [1, 5]


@pytest.mark.parametrize(("within", "number"), [(0.0, 1), (0.0099, 1), (0.01, 2), (0.08, 0)])
def test_the_best_gives_up_at_most_within_of_the_first_for_the_second(within: float, number: int) -> None:
    best = replace(BOTH, within=within).best(RECORDS)
    assert best is not None
    assert best.number == number


def test_the_best_by_one_metric_is_the_earliest_of_equals() -> None:
    top1 = Objectives((Objective("val/top1", True),))
    best = top1.best(RECORDS[:7])
    assert best is not None
    assert best.number == 1
    assert top1.best([record(0, 0.9, outcome=Outcome.stopped)]) is None


def test_epoch_seconds_beside_another_metric_are_the_mean() -> None:
    both = Objectives((Objective("val/top1", True), Objective("epoch_seconds", False)))
    assert both.by_name(RECORDS[0]) == {"val/top1": 0.90, "epoch_seconds": 2.0}


def test_lists_of_metrics_and_modes_belong_together() -> None:
    search = SearchConfig(metric=["val/top1", "flops"], mode=["max", "min"], best_within=0.01)
    assert parse_objectives(search) == Objectives((Objective("val/top1", True), Objective("flops", False)), 0.01)
    assert parse_objectives(SearchConfig()) == Objectives((Objective("val/top1", True),))


def test_a_metric_says_itself_whether_more_of_it_is_better() -> None:
    metrics = {"auroc": True, "kappa": {"_target_": "k.Kappa", "higher_is_better": True}, "own": {"_target_": "o.Own"}}
    names = ["val/kappa", "val/calibration_error", "epoch_seconds", "flops"]
    objectives = parse_objectives(SearchConfig(metric=names), metrics)
    assert [each.mode for each in objectives.each] == ["max", "min", "min", "min"]
    assert objectives.beside == ("val/auroc", "val/own")
    assert parse_objectives(SearchConfig(metric="val/own", mode="min"), metrics).first == Objective("val/own", False)
    with pytest.raises(ConfigError, match=r"search\.mode: missing; val/own does not say"):
        parse_objectives(SearchConfig(metric="val/own"), metrics)


def test_metrics_beside_the_objectives_are_shown_and_judge_nothing() -> None:
    trials = [replace(record(n, 0.9), metrics={2: {"val/auroc": 0.5 + n / 10}}) for n in range(2)]
    objectives = Objectives((Objective("val/top1", True),), beside=("val/auroc",))
    assert objectives.by_name(trials[1]) == {"val/top1": 0.9, "val/auroc": 0.6}
    best = objectives.best(trials)
    assert best is not None
    assert best.number == 0


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (SearchConfig(metric="val/top-1"), ["val/top1'?"]),
        (SearchConfig(metric="val/f1_macro"), ["val/macro_f1'?"]),
        (SearchConfig(metric="val/kappa"), ["got 'val/kappa', which no trial reports", "val/auroc"]),
        (SearchConfig(metric="val/macro_f1", mode="min"), ["got 'min' for val/macro_f1, of which more is better"]),
        (SearchConfig(metric=["val/top1", "params"], mode=["max", "min"]), ["num_params'?"]),
        (SearchConfig(metric=["val/top1", "flops"], mode="max"), ["mode=[max,min]"]),
        (SearchConfig(metric=["val/top1", "flops"], mode=["max"]), ["1 modes for 2 metrics"]),
        (SearchConfig(metric=["num_params", "val/top1"], mode=["min", "max"]), ["got 'num_params' first"]),
        (SearchConfig(metric=["val/top1", "val/top1"], mode=["max", "max"]), ["each metric once"]),
        (SearchConfig(metric=[], mode=[]), ["empty list"]),
        (SearchConfig(metric="val/loss", mode="maximum"), ["search.mode: got 'maximum'"]),
        (SearchConfig(metric="val/top", mode="mix"), ["search.metric", "search.mode"]),
        (SearchConfig(best_within=0.1), ["search.best_within", "there is one"]),
    ],
)
def test_mistakes_say_what_is_allowed(search: SearchConfig, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        parse_objectives(search)
    for word in words:
        assert word in str(error.value)
