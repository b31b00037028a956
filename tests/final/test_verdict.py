"""The verdict, on scores that are made up: what is planted is found, and the words say what the numbers do."""

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import stats

from sesemi_search.final.confirm import Candidate, next_runs
from sesemi_search.final.intervals import Noise, wilson_interval
from sesemi_search.final.verdict import Verdict, judge

OWN = "your config"
NOISE = 0.002


def candidates(num_params: Sequence[int | None], reported: float | None = 0.95) -> list[Candidate]:
    names = [*(f"trial {i}" for i in range(len(num_params) - 1)), OWN]
    return [Candidate(name, reported, size, name == OWN) for name, size in zip(names, num_params, strict=True)]


def confirm(given: Sequence[Candidate], truth: Sequence[float], seed: int, **options: bool) -> Verdict:
    """Confirms candidates of these true scores with normal noise."""
    noise = np.random.default_rng(seed).normal(0, NOISE, (len(given), 5))
    names = [each.name for each in given]
    results: dict[str, list[float]] = {name: [] for name in names}
    while due := next_runs(given, results, 5, **options):
        for name, number in due:
            i = names.index(name)
            results[name].append(truth[i] + float(noise[i, number]))
    return judge(given, results, num_seeds=5, num_images=None, **options)


def verdict_of(
    results: Mapping[str, Sequence[float]], given: Sequence[Candidate], num_images: int | None = 500
) -> Verdict:
    return judge(given, results, num_seeds=5, num_images=num_images, metric="val/top1")


def test_a_planted_tie_is_a_tie_in_95_of_100() -> None:
    given = candidates([1, 2, 3, 4])
    told = [confirm(given, [0.9, 0.9, 0.89, 0.89], seed).comparisons[0].is_tie for seed in range(1000)]
    assert np.mean(told) >= 0.95


def test_a_planted_gap_of_a_point_is_found_in_95_of_100() -> None:
    given = candidates([4, 3, 2, 1])
    verdicts = [confirm(given, [0.89, 0.9, 0.89, 0.89], seed) for seed in range(500)]
    found = [v.winner == "trial 1" and not any(each.is_tie for each in v.comparisons) for v in verdicts]
    assert np.mean(found) >= 0.95


def test_seeds_that_differ_by_as_many_images_are_no_proof_of_a_difference() -> None:
    # Two seeds in which one of 500 images more is right: without the rounding there would be no noise at all.
    given = candidates((1000, 1000))
    verdict = judge(given, {"trial 0": [0.902, 0.952], OWN: [0.900, 0.950]}, num_seeds=2, num_images=500)
    assert [each.is_tie for each in verdict.comparisons] == [True]
    assert verdict.comparisons[0].interval.low < 0 < verdict.comparisons[0].interval.high


def test_the_number_is_not_too_high_for_having_been_chosen_and_its_interval_holds() -> None:
    given = candidates([1, 2, 3, 4, 5])
    verdicts = [confirm(given, [0.9] * 5, seed) for seed in range(1500)]
    excess = np.array([v.mean for v in verdicts], dtype=float) - 0.9
    assert abs(excess.mean()) < 4 * excess.std() / math.sqrt(len(excess))
    held = np.mean([v.interval is not None and v.interval.low <= 0.9 <= v.interval.high for v in verdicts])
    assert 0.88 <= held <= 0.93
    chosen = np.array([max(s.mean or 0 for s in v.scores if s.num_seeds == 3) for v in verdicts]) - 0.9
    assert chosen.mean() > 4 * chosen.std() / math.sqrt(len(chosen)), "the plain mean of the best would be"


def test_lower_is_better_where_it_is_said() -> None:
    given = candidates([1, 1, 1])
    verdict = confirm(given, [0.89, 0.8, 0.9], 0, higher_is_better=False)
    assert verdict.winner == "trial 1"
    assert verdict.mean == pytest.approx(0.8, abs=0.005)
    assert verdict.interval is not None
    assert verdict.interval.low < verdict.mean < verdict.interval.high
    assert [each.is_tie for each in verdict.comparisons] == [False, False]
    assert verdict.comparisons[0].difference == pytest.approx(0.09, abs=0.01)
    assert verdict.optimism == pytest.approx(-0.15, abs=0.005)  # reported 0.95, a worse number


SCORES = {"trial 0": [0.90, 0.91, 0.90, 0.92, 0.90], "trial 1": [0.905, 0.90, 0.908, 0.913, 0.90], OWN: [0.8] * 5}


def test_of_two_that_are_level_the_smaller_is_taken_and_the_words_say_why() -> None:
    verdict = verdict_of(SCORES, candidates((2000, 1000, 10)))
    assert (verdict.winner, verdict.is_smaller) == ("trial 1", True)
    assert "taken, because it is smaller (1,000 parameters, not 2,000)" in verdict.sentences()[1]
    verdict = verdict_of(SCORES, candidates((1000, 2000, 10)))
    assert (verdict.winner, verdict.is_smaller) == ("trial 0", False)
    assert "taken, because it did better over all seeds" in verdict.sentences()[1]


@pytest.mark.parametrize("sizes", [(1000, 1000, 10), (None, 1000, 10), (1001, 1000, 10), (1099, 1000, 10)])
def test_of_two_about_as_large_the_better_is_taken(sizes: tuple[int | None, ...]) -> None:
    verdict = verdict_of(SCORES, candidates(sizes))
    assert (verdict.winner, verdict.is_smaller) == ("trial 0", False)
    assert "taken, because it did better over all seeds" in verdict.sentences()[1]


def test_a_smaller_model_that_is_behind_by_more_than_the_noise_is_not_taken() -> None:
    scores = {**SCORES, "trial 1": [0.89, 0.90, 0.89, 0.91, 0.892]}
    assert verdict_of(scores, candidates((2000, 1000, 10))).winner == "trial 0"


def test_the_words_have_the_numbers() -> None:
    verdict = verdict_of(SCORES, candidates((1000, 1000, 10)))
    own = verdict.comparisons[1]
    said = verdict.sentences()
    assert verdict.mean is not None and verdict.interval is not None and verdict.optimism is not None
    low, high = verdict.interval
    assert said[0] == (
        f"trial 0 is taken: val/top1 {verdict.mean:.4f}, {low:.4f} to {high:.4f} "
        "(90% interval, by 3 seeds that did not choose it)"
    )
    ends = f"{100 * own.interval.low:.1f} to {100 * own.interval.high:.1f}"
    assert said[2] == f"better than your config by {100 * own.difference:.1f} points, {ends}"
    assert said[3] == f"the search's own number, 0.9500, was {100 * verdict.optimism:.1f} points better than that"
    assert said[4].startswith(f"of what is uncertain about it {verdict.image_share:.0%} comes from there being 500")
    json.dumps(verdict.as_dict(), allow_nan=False)


def test_a_number_that_the_search_does_not_have_is_not_compared() -> None:
    verdict = verdict_of(SCORES, candidates((1, 1, 1), reported=None))
    assert verdict.optimism is None
    assert not any("search" in sentence for sentence in verdict.sentences())


def test_of_a_score_that_is_no_share_of_images_none_are_counted() -> None:
    verdict = verdict_of(SCORES, candidates((1, 1, 1)), num_images=None)
    assert verdict.image_share is None
    assert not any("images" in sentence or "points" in sentence for sentence in verdict.sentences())


def test_more_images_make_less_of_the_noise() -> None:
    few, many = (verdict_of(SCORES, candidates((1, 1, 1)), n).image_share for n in (100, 10000))
    assert few is not None and many is not None
    assert few > 0.9 > many > 0


def test_where_every_candidate_failed_none_is_taken() -> None:
    verdict = verdict_of({"trial 0": [math.nan], OWN: [0.9, math.nan]}, candidates((1, 1)))
    assert verdict.winner is None
    assert verdict.sentences() == [
        "no candidate can be trained with every seed: none is taken",
        "trial 0 is out: a run of it diverged or failed",
        "your config is out: a run of it diverged or failed",
    ]
    json.dumps(verdict.as_dict(), allow_nan=False)


def test_scores_that_no_seed_changes_are_told_apart_without_noise() -> None:
    verdict = verdict_of({"trial 0": [0.9] * 5, OWN: [0.8] * 5}, candidates((2, 1)))
    assert (verdict.winner, verdict.comparisons[0].is_tie) == ("trial 0", False)
    same = verdict_of({"trial 0": [0.9] * 5, OWN: [0.9] * 5}, candidates((2, 1)))
    assert (same.winner, same.comparisons[0].is_tie) == (OWN, True)


def test_noise_of_one_candidate_is_students() -> None:
    scores = np.array([0.9, 0.92, 0.91, 0.95, 0.9])
    expected = stats.t.interval(0.9, 4, scores.mean(), stats.sem(scores))
    assert Noise.of(scores[None]).interval(float(scores.mean()), 5, 0.9) == pytest.approx(expected)
    p_value = stats.ttest_1samp(scores, 0.91).pvalue
    assert Noise.of(scores[None] - 0.91).p_value(float(scores.mean()) - 0.91, 5) == pytest.approx(p_value)


def test_noise_of_two_candidates_is_the_mean_of_their_variances() -> None:
    scores = np.random.default_rng(0).normal(size=(2, 5))
    noise = Noise.of(scores)
    assert noise.variance == pytest.approx(scores.var(axis=1, ddof=1).mean())
    assert 4 <= noise.freedom <= 8


@pytest.mark.parametrize(("num_right", "num_images"), [(0, 10), (7, 10), (486, 500), (500, 500)])
def test_wilsons_interval_is_scipys(num_right: int, num_images: int) -> None:
    expected = stats.binomtest(num_right, num_images).proportion_ci(0.95, method="wilson")
    assert wilson_interval(num_right, num_images) == pytest.approx((expected.low, expected.high))
