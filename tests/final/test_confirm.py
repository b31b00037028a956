"""The rounds of confirm, on scores that are made up."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from sesemi_search.final.confirm import Candidate, next_runs, num_runs_at_most

OWN = "your config"


def candidates(*reported: float) -> list[Candidate]:
    trials = [Candidate(f"trial {i}", value, 1000, False) for i, value in enumerate(reported)]
    return [*trials, Candidate(OWN, 0.5, 1000, True)]


def run_all(
    given: Sequence[Candidate], truth: dict[str, float], num_seeds: int, **options: bool
) -> dict[str, list[float]]:
    """Runs the rounds with noise that is the same for equal runs; returns the scores of each candidate."""
    results: dict[str, list[float]] = {each.name: [] for each in given}
    while due := next_runs(given, results, num_seeds, **options):
        for name, seed in due:
            assert len(results[name]) == seed, "one seed after another"
            results[name].append(
                truth[name] + float(np.random.default_rng([seed, sum(map(ord, name))]).normal(0, 0.001))
            )
    return results


def test_all_share_the_first_seeds_and_two_and_your_own_go_on() -> None:
    given = candidates(0.9, 0.8, 0.7, 0.6)
    truth = {"trial 0": 0.6, "trial 1": 0.9, "trial 2": 0.7, "trial 3": 0.8, OWN: 0.5}
    results = run_all(given, truth, 5)
    assert {name: len(scores) for name, scores in results.items()} == {
        "trial 0": 2, "trial 1": 5, "trial 2": 2, "trial 3": 5, OWN: 5,
    }  # fmt: skip


def test_your_own_config_can_be_one_of_the_two() -> None:
    given = candidates(0.9, 0.8, 0.7)
    results = run_all(given, {"trial 0": 0.6, "trial 1": 0.9, "trial 2": 0.7, OWN: 0.8}, 5)
    assert [len(results[each.name]) for each in given] == [2, 5, 2, 5]


def test_lower_is_better_where_it_is_said() -> None:
    given = candidates(0.9, 0.8, 0.7)
    truth = {"trial 0": 0.6, "trial 1": 0.9, "trial 2": 0.7, OWN: 0.8}
    assert [len(run_all(given, truth, 5, higher_is_better=False)[each.name]) for each in given] == [5, 2, 5, 5]


def test_the_clearly_worse_go_before_the_last_round() -> None:
    given = candidates(0.9, 0.8, 0.7)
    truth = {"trial 0": 0.9, "trial 1": 0.9, "trial 2": 0.1, OWN: 0.9}
    results = run_all(given, truth, 9)
    assert [len(results[each.name]) > 2 for each in given] == [True, True, False, True]


def test_two_candidates_need_no_round() -> None:
    given = candidates(0.9)
    assert len(next_runs(given, {}, 5)) == num_runs_at_most(given, 5) == 10


@pytest.mark.parametrize("num_trials", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("num_seeds", [2, 3, 5, 8])
def test_no_confirm_takes_more_runs_than_the_plan_says(num_trials: int, num_seeds: int) -> None:
    given = candidates(*np.linspace(0.9, 0.8, num_trials))
    truth = {each.name: 0.9 for each in given}
    assert sum(map(len, run_all(given, truth, num_seeds).values())) <= num_runs_at_most(given, num_seeds)


def test_one_that_fails_is_out_and_the_next_best_takes_its_place() -> None:
    given = candidates(0.9, 0.8, 0.7)
    results: dict[str, list[float | None]] = {
        "trial 0": [0.9, 0.9, math.nan], "trial 1": [0.8, 0.8, 0.8, 0.8, 0.8], "trial 2": [0.7, 0.71],
        OWN: [0.5, 0.5, 0.5, 0.5, 0.5],
    }  # fmt: skip
    assert next_runs(given, results, 5) == [("trial 2", 2), ("trial 2", 3), ("trial 2", 4)]


def test_a_run_that_is_not_over_is_due_whatever_came_after_it() -> None:
    given = candidates(0.9)
    results = {"trial 0": [0.9, None, 0.9, 0.9, 0.9], OWN: [0.5] * 5}
    assert next_runs(given, results, 5) == [("trial 0", 1)]


def test_where_confirm_was_cut_off_makes_no_difference() -> None:
    given = candidates(0.9, 0.8, 0.7, 0.6)
    truth = {"trial 0": 0.81, "trial 1": 0.82, "trial 2": 0.8, "trial 3": 0.79, OWN: 0.5}
    whole = run_all(given, truth, 5)
    for cut in range(1, sum(map(len, whole.values()))):
        kept = {name: list(scores[: cut // len(whole)]) for name, scores in whole.items()}
        due = next_runs(given, kept, 5)
        while due:
            for name, seed in due:
                kept[name].append(whole[name][seed])
            due = next_runs(given, kept, 5)
        assert kept == whole


def test_one_seed_cannot_choose_and_measure() -> None:
    with pytest.raises(ValueError, match="num_seeds=1"):
        next_runs(candidates(0.9, 0.8), {}, 1)
