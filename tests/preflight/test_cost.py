import random

import pytest

from sesemi_search.preflight.cost import Trial, estimate_cost, halved_epochs

ASHA = {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 1, "reduction_factor": 3}


def halve_by_hand(num_epochs: int, first: int, factor: int) -> float:
    """Trains many trials of random quality rung by rung, all at once, and counts epochs."""
    rng = random.Random(0)
    trials = [rng.random() for _ in range(3**8)]
    total, done, rung = 0.0, 0, first
    alive = trials
    while True:
        end = min(rung, num_epochs)
        total += len(alive) * (end - done)
        if end == num_epochs:
            return total / len(trials)
        alive = sorted(alive, reverse=True)[: len(alive) // factor]
        done, rung = end, rung * factor


@pytest.mark.parametrize(("num_epochs", "first"), [(27, 1), (9, 1), (10, 1), (100, 1), (20, 2), (1, 1), (2, 3)])
def test_halved_epochs_are_those_of_halving_by_hand(num_epochs: int, first: int) -> None:
    assert halved_epochs(num_epochs, {**ASHA, "min_resource": first}) == pytest.approx(
        halve_by_hand(num_epochs, first, 3), rel=1e-3
    )


@pytest.mark.parametrize(("num_epochs", "expected"), [(27, 3 + 6 / 3 + 18 / 9), (9, 1 + 2 / 3 + 6 / 9), (2, 1 + 1 / 3)])
def test_the_rungs_of_late_halving_are_shares_of_the_run(num_epochs: int, expected: float) -> None:
    pruner = {"_target_": "sesemi_search.search.pruners.ArchitectureHalvingPruner", "max_resource": num_epochs}
    assert halved_epochs(num_epochs, pruner) == pytest.approx(expected)


def test_another_pruner_and_an_automatic_first_rung_have_no_average() -> None:
    assert halved_epochs(27, {"_target_": "optuna.pruners.MedianPruner"}) is None
    assert halved_epochs(27, {**ASHA, "min_resource": "auto"}) is None


def test_a_search_costs_its_trials_times_their_epochs_times_their_share() -> None:
    cost = estimate_cost([Trial(10, 9), Trial(30, 9)], num_trials=40, share=0.5, pruner={"_target_": "x.NopPruner"})
    assert cost.at_most == pytest.approx(40 * 30 * 9 * 0.5 / 3600)
    assert cost.unstopped == pytest.approx(40 * 20 * 9 * 0.5 / 3600)
    assert cost.halved is None
    halved = estimate_cost([Trial(10, 9)], num_trials=40, share=1, pruner=ASHA).halved
    assert halved == pytest.approx(40 * 10 * (1 + 2 / 3 + 6 / 9) / 3600)
