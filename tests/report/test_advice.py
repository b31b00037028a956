"""Advice: said where a made-up ledger shows it, with its numbers, and not where it does not."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from sesemi_search.report.advice import Advice, Kind, advise
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Origin, Outcome, TrialRecord
from sesemi_search.space.domains import Choice, Float, Int, Options
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

RAW = {
    "batch": {"choice": [64, 128, 256]},
    "lr": {"float": [0.01, 1], "log": True},
    "momentum": {"float": [0.8, 0.99], "step": 0.01},
    "depth": {"int": [1, 8]},
    "head": {
        "choice": {
            "linear": {"dropout": {"float": [0, 0.5]}},
            "scaled": {"scale": {"float": [1, 32], "log": True}},
            "cosine": {},
        }
    },
}
SPACE = Space(parse_space(RAW))
TOP1 = Objectives((Objective("val/top1", True),))
LOSS = Objectives((Objective("val/loss", False),))
Truth = Callable[[dict[str, Any]], float]


class Draw:
    """Draws values as a random sampler does."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        if log:
            return math.exp(self._random.uniform(math.log(low), math.log(high)))
        return (
            low + step * self._random.randint(0, round((high - low) / step))
            if step
            else self._random.uniform(low, high)
        )

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        return self._random.randint(low, high)

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        return self._random.choice(choices)


def ledger(
    truth: Truth, *, num_trials: int = 60, noise: float = 0.005, seed: int = 0, keep: float = 0.0, space: Space = SPACE
) -> list[TrialRecord]:
    """Random trials; those whose value after the first of two epochs is below `keep` are stopped there."""
    draw, chance = Draw(seed), random.Random(seed + 1000)
    records = []
    for number in range(num_trials):
        params = space.sample(draw)
        values = {epoch: truth(params) + chance.gauss(0, noise) for epoch in (1, 2)}
        is_stopped = values[1] < keep
        reports = {1: values[1]} if is_stopped else values
        outcome = Outcome.stopped if is_stopped else Outcome.complete
        metrics = {epoch: {"val/top1": value, "train/loss": 1 - value} for epoch, value in reports.items()}
        records.append(TrialRecord(number, params, reports, metrics, outcome))
    return records


def place(params: dict[str, Any], name: str = "lr") -> float:
    return math.log(params[name] / 0.01) / math.log(100)


def of_kind(advice: list[Advice], *kinds: Kind) -> list[Advice]:
    return [each for each in advice if each.kind in kinds]


def changes(advice: list[Advice]) -> list[Advice]:
    return of_kind(advice, Kind.widen, Kind.drop)


@pytest.mark.parametrize("keep", [0.0, 0.75])
def test_a_range_whose_best_trials_lie_at_its_end_is_to_be_widened(keep: float) -> None:
    (advice,) = changes(advise(ledger(lambda p: 0.7 + 0.2 * place(p), keep=keep), SPACE, TOP1))
    assert advice.kind is Kind.widen
    assert advice.name == "lr"
    assert advice.node == Float(0.01, 10, log=True)
    assert "best trials lie in the upper fifth of [0.01, 1], the best at 0." in advice.text
    assert advice.text.endswith("widen it to [0.01, 10]")


def test_a_metric_of_which_less_is_better_widens_the_other_end() -> None:
    (advice,) = changes(advise(ledger(lambda p: 0.7 + 0.2 * place(p)), SPACE, LOSS))
    assert advice.node == Float(1e-3, 1, log=True)


def test_a_whole_number_and_steps_are_widened_on_their_grid() -> None:
    (advice,) = changes(advise(ledger(lambda p: 0.7 + 0.03 * p["depth"]), SPACE, TOP1))
    assert advice.node == Int(1, 12)
    (advice,) = changes(advise(ledger(lambda p: 1.7 - p["momentum"]), SPACE, TOP1))
    assert advice.node == Float(0.71, 0.99, step=0.01)


def test_what_can_go_no_further_is_not_to_be_widened() -> None:
    assert changes(advise(ledger(lambda p: 0.7 - 0.03 * p["depth"]), SPACE, TOP1)) == []


@pytest.mark.parametrize("peak", [0.3, 0.5, 0.7])
def test_a_best_that_lies_inside_of_a_range_widens_nothing(peak: float) -> None:
    for seed in range(10):
        advice = advise(ledger(lambda p: 0.9 - (place(p) - peak) ** 2, seed=seed), SPACE, TOP1)
        assert not of_kind(advice, Kind.widen)


def test_where_what_lies_at_the_end_diverges_nothing_is_widened() -> None:
    records = [
        TrialRecord(r.number, r.params, {}, {}, Outcome.diverged) if place(dict(r.params)) > 0.8 else r
        for r in ledger(lambda p: 0.7 + 0.2 * place(p))
    ]
    assert not of_kind(advise(records, SPACE, TOP1), Kind.widen)


def test_an_argument_of_an_option_is_judged_by_the_trials_that_have_it() -> None:
    def truth(params: dict[str, Any]) -> float:
        return 0.8 + (
            0.1 * math.log(params["head.scaled.scale"]) / math.log(32) if "head.scaled.scale" in params else 0.05
        )

    (advice,) = of_kind(advise(ledger(truth, num_trials=120), SPACE, TOP1), Kind.widen)
    assert advice.name == "head.scaled.scale"
    assert advice.node == Float(1, 180, log=True)


def test_an_option_that_is_worse_can_go_and_the_others_stay() -> None:
    records = ledger(lambda p: 0.9 - 0.1 * (p["head"] == "linear"))
    (advice,) = changes(advise(records, SPACE, TOP1))
    assert (advice.kind, advice.name) == (Kind.drop, "head")
    assert isinstance(advice.node, Options)
    assert list(advice.node.nodes) == ["scaled", "cosine"]
    count = sum(record.params["head"] == "linear" for record in records)
    assert advice.text.startswith(f"head: linear (the best of its {count} trials: 0.8")
    assert "can go; the best of the others: 0.9" in advice.text


def test_a_value_of_a_choice_can_go() -> None:
    (advice,) = changes(advise(ledger(lambda p: 0.9 - 0.1 * (p["batch"] == 256)), SPACE, TOP1))
    assert advice.node == Choice((64, 128))


def test_an_option_that_was_hardly_tried_stays() -> None:
    records = ledger(lambda p: 0.9 - 0.1 * (p["head"] == "linear"))
    kept = [r for r in records if r.params["head"] != "linear"]
    few = [r for r in records if r.params["head"] == "linear"][:3]
    assert changes(advise([*few, *kept], SPACE, TOP1)) == []


def test_an_option_that_is_better_by_another_objective_stays() -> None:
    several = Objectives((Objective("val/top1", True), Objective("num_params", False)))
    records = [
        TrialRecord(**{**vars(r), "num_params": 1000 if r.params["head"] == "linear" else 2000})
        for r in ledger(lambda p: 0.9 - 0.1 * (p["head"] == "linear"))
    ]
    assert changes(advise(records, SPACE, several)) == []
    alike = [TrialRecord(**{**vars(r), "num_params": 3000 - r.num_params + r.number}) for r in records]
    assert [each.kind for each in changes(advise(alike, SPACE, several))] == [Kind.drop]


def test_of_a_parameter_that_does_not_matter_the_best_value_is_enough() -> None:
    truth: Truth = lambda p: 0.9 - 0.4 * (place(p) - 0.5) ** 2 - 0.02 * abs(p["depth"] - 4)  # noqa: E731
    advice = of_kind(advise(ledger(truth, num_trials=150), SPACE, TOP1), Kind.fix)
    named = {each.name for each in advice}
    assert "momentum" in named
    assert not named & {"lr", "depth"}
    momentum = next(each for each in advice if each.name == "momentum")
    assert "explains at most" in momentum.text
    assert "of the differences between 150 complete trials" in momentum.text


def test_of_few_trials_none_is_said_not_to_matter() -> None:
    truth: Truth = lambda p: 0.9 - 0.4 * (place(p) - 0.5) ** 2  # noqa: E731
    assert not of_kind(advise(ledger(truth, num_trials=24), SPACE, TOP1), Kind.fix)


def test_noise_and_few_trials_give_no_advice() -> None:
    told = sum(bool(advise(ledger(lambda p: 0.5, noise=0.1, seed=seed), SPACE, LOSS)) for seed in range(60))
    assert told <= 3
    assert advise(ledger(lambda p: 0.7 + 0.2 * place(p), num_trials=7), SPACE, TOP1) == []
    assert advise([], SPACE, TOP1) == []


def test_a_sampler_that_gets_better_is_worth_more_trials() -> None:
    records = [
        TrialRecord(r.number, r.params, {1: 0.8 + 0.002 * r.number + 0.01 * r.values[2]}, {}, Outcome.complete)
        for r in ledger(lambda p: 9, noise=0.5, num_trials=40)
    ]
    (advice,) = of_kind(advise(records, SPACE, TOP1), Kind.trials)
    assert advice.text.startswith("more trials are likely to help: the last 20 of 40 raised the best val/top1 by 0.0")


def test_a_search_whose_best_came_again_and_again_needs_no_more() -> None:
    (advice,) = of_kind(advise(ledger(lambda p: min(0.9, 0.5 + place(p)), noise=0), SPACE, TOP1), Kind.trials)
    assert advice.text.startswith("more trials are not likely to help: the last 30 of 60 raised the best val/top1 by 0")


def images(*rights: int, of: int = 500) -> list[TrialRecord]:
    """Complete trials by the number of images that each has right, the first the experiment's own config."""
    draw = Draw(0)
    return [
        TrialRecord(
            number, SPACE.sample(draw), {1: 0.5, 2: right / of}, {}, Outcome.complete,
            origin=Origin.sampled if number else Origin.baseline,
        )
        for number, right in enumerate(rights)
    ]  # fmt: skip


def test_a_lead_that_the_images_cannot_tell_is_said_against_the_second_and_the_own_config() -> None:
    records = images(481, 485, 487, 480, 440, 430, 420, 410, 401)
    second, own = of_kind(advise(records, SPACE, TOP1), Kind.noise)
    # Two models that are right on 487 and 485 of 500: 1.96 sqrt(p(1-p)/n + q(1-q)/n) = 2.04 points.
    assert second.text == (
        "trial 2 leads trial 1 by 0.4 points: less than the 2.0 points that 500 validation images can tell apart, as "
        "with 3 of the 8 other complete trials"
    )
    assert own.text.startswith("trial 2 leads the experiment's own config (trial 0) by 1.2 points: less than the 2.")
    assert own.text.endswith("by which the best of 8 may lead it by luck on 500 validation images")


def test_a_lead_that_the_images_can_tell_is_not_doubted() -> None:
    assert not of_kind(advise(images(400, 490, 450, 430, 420, 410, 415, 401), SPACE, TOP1), Kind.noise)
    assert of_kind(advise(images(480, 490, 480, 430, 420, 410, 415, 401), SPACE, TOP1), Kind.noise)


def test_copied_trials_are_evidence_and_lead_nothing() -> None:
    records = images(400, 490, 450, 430, 420, 410, 415, 401)
    copy = TrialRecord(**{**vars(records[1]), "number": 8, "origin": Origin.copied, "copied_from": "before/1"})
    assert not of_kind(advise([*records, copy], SPACE, TOP1), Kind.noise)


def test_parameters_that_are_none_of_the_space_are_passed_over() -> None:
    records = [TrialRecord(n, {"lr": "<b>", "x": 1}, {1: 0.5}, {}, Outcome.complete) for n in range(20)]
    assert changes(advise(records, SPACE, TOP1)) == []
