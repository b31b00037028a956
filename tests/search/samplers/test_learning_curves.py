"""The sampler of learning curves, in plain Optuna as its docstring shows it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import Trial, TrialState

from sesemi_search.search.pruners import ArchitectureHalvingPruner
from sesemi_search.search.samplers import LearningCurveSampler

NUM_EPOCHS = 9
Curve = Callable[[Trial, int], float]


def run(
    study: optuna.Study,
    suggest: Callable[[Trial], None],
    curve: Curve,
    num_trials: int,
    stop_at: int | None = None,
    seed: int = 0,
) -> None:
    """Optuna's own ask and tell; every trial but each third ends at `stop_at`."""
    for i in range(num_trials):
        study.sampler = LearningCurveSampler(seed=seed + len(study.trials), max_resource=NUM_EPOCHS, n_startup_trials=5)
        trial = study.ask()
        suggest(trial)
        last = NUM_EPOCHS if stop_at is None or i % 3 == 0 else stop_at
        for epoch in range(1, last + 1):
            trial.report(curve(trial, epoch), epoch)
        if last == NUM_EPOCHS:
            study.tell(trial, curve(trial, NUM_EPOCHS))
        else:
            study.tell(trial, state=TrialState.PRUNED)


def suggest_two(trial: Trial) -> None:
    trial.suggest_float("lr", 1e-4, 1.0, log=True)
    trial.suggest_int("width", 4, 64)


def distance(trial: Any) -> float:
    return abs(math.log10(trial.params["lr"]) + 2) / 4 + abs(trial.params["width"] - 40) / 60


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_draws_close_in_on_the_optimum_in_either_direction(direction: str) -> None:
    sign = 1 if direction == "maximize" else -1
    study = optuna.create_study(direction=direction)
    run(study, suggest_two, lambda trial, epoch: sign * (epoch / 9 - distance(trial)), 30)
    # Not the mean: between two draws near the best it looks where it is least sure.
    assert np.median([distance(trial) for trial in study.trials[-10:]]) < 0.1  # random draws: 0.5
    assert {type(trial.params["width"]) for trial in study.trials} == {int}


def test_a_stopped_trial_counts_for_what_its_like_came_to() -> None:
    """The slow option is behind at the epoch where most trials stop and ahead at the end."""

    def suggest(trial: Trial) -> None:
        trial.suggest_categorical("backbone", ["quick", "slow"])
        trial.suggest_float("lr", 0.0, 1.0)

    def curve(trial: Trial, epoch: int) -> float:
        quick = 0.7 + 0.01 * epoch
        slow = 0.3 + 0.07 * epoch
        return (quick if trial.params["backbone"] == "quick" else slow) - (trial.params["lr"] - 0.5) ** 2

    drawn, at_three = [], {"quick": 0.0, "slow": 0.0}
    for search in range(3):
        study = optuna.create_study(direction="maximize")
        run(study, suggest, curve, 36, stop_at=3, seed=1000 * search)
        drawn += [trial.params["backbone"] for trial in study.trials[-10:]]
        for trial in study.trials:
            at_three[trial.params["backbone"]] = max(at_three[trial.params["backbone"]], trial.intermediate_values[3])
    assert at_three["quick"] > at_three["slow"] + 0.2
    assert drawn.count("slow") >= 20  # of 30; by what they were worth at epoch 3, none


def test_an_option_draws_its_own_dimensions_and_no_other() -> None:
    def suggest(trial: Trial) -> None:
        head = trial.suggest_categorical("head", ["plain", "scaled"])
        if head == "scaled":
            trial.suggest_float("head.scaled.scale", 1.0, 32.0, log=True)

    def curve(trial: Trial, epoch: int) -> float:
        if trial.params["head"] == "plain":
            return 0.5
        return 1 - abs(math.log2(trial.params["head.scaled.scale"]) - 3) / 3

    study = optuna.create_study(direction="maximize")
    run(study, suggest, curve, 24)
    for trial in study.trials:
        assert set(trial.params) == ({"head"} if trial.params["head"] == "plain" else {"head", "head.scaled.scale"})
    last = [trial.params for trial in study.trials[-8:]]
    assert np.median([abs(math.log2(params.get("head.scaled.scale", 1)) - 3) for params in last]) < 0.5


def test_the_first_trials_try_each_option_alike() -> None:
    def suggest(trial: Trial) -> None:
        trial.suggest_categorical("head", ["a", "b", "c", "d"])

    study = optuna.create_study(direction="maximize")
    run(study, suggest, lambda trial, epoch: 0.5, 12)
    heads = [trial.params["head"] for trial in study.trials]
    assert sorted(heads) == sorted(["a", "b", "c", "d"] * 3)


def test_what_diverges_or_cannot_be_trained_is_kept_away_from() -> None:
    bad = []
    for search in range(3):
        study = optuna.create_study(direction="maximize")
        for i in range(30):
            study.sampler = LearningCurveSampler(seed=1000 * search + i, max_resource=NUM_EPOCHS)
            trial = study.ask()
            suggest_two(trial)
            diverges, is_infeasible = trial.params["lr"] > 0.03, trial.params["width"] < 16
            if diverges or is_infeasible:
                if diverges:
                    trial.report(math.nan, 1)
                study.tell(trial, state=TrialState.PRUNED)
            else:
                value = 1 - abs(math.log10(trial.params["lr"]) + 3)
                trial.report(value, NUM_EPOCHS)
                study.tell(trial, value)
            bad += [diverges or is_infeasible] if i >= 10 else []
    assert np.mean(bad) < 0.35  # random draws: a half


def ask(study: optuna.Study) -> Trial:
    study.sampler = LearningCurveSampler(seed=len(study.trials), max_resource=NUM_EPOCHS, n_startup_trials=5)
    return study.ask()


@pytest.mark.parametrize("good_first", [0, 12])
def test_an_option_that_always_fails_does_not_take_the_search(good_first: int) -> None:
    study = optuna.create_study(direction="maximize")
    drawn = []
    for i in range(40):
        trial = ask(study)
        choices = ["x", "y"] if i < good_first else ["x", "y", "z"]
        option = trial.suggest_categorical("option" if i >= good_first else "given", choices)
        trial.suggest_float("lr", 0, 1)
        drawn.append(option)
        if option == "z":
            study.tell(trial, state=TrialState.FAIL)
        else:
            trial.report(trial.params["lr"], NUM_EPOCHS)
            study.tell(trial, trial.params["lr"])
    assert drawn.count("z") <= 16  # a third by chance


def test_a_trial_that_ran_out_of_memory_counts_as_bad_however_good_it_looked() -> None:
    study = optuna.create_study(direction="maximize")
    large = []
    for _ in range(30):
        trial = ask(study)
        width = trial.suggest_float("width", 0, 1)
        trial.report(width, 1)
        large.append(width > 0.6)
        if width > 0.6:
            trial.set_user_attr("outcome", "out_of_memory")  # as the ledger says it
            study.tell(trial, state=TrialState.PRUNED)
        else:
            trial.report(width, NUM_EPOCHS)
            study.tell(trial, width)
    assert sum(large[-12:]) <= 4


@pytest.mark.parametrize("outlier", [1e3, 1e30, 1e200])
def test_one_loss_that_exploded_does_not_hide_the_differences_of_the_others(outlier: float) -> None:
    study = optuna.create_study(direction="minimize")
    run(study, suggest_two, lambda trial, epoch: outlier if trial.number == 2 else distance(trial), 24)
    assert np.median([distance(trial) for trial in study.trials[-8:]]) < 0.1


def test_complete_trials_that_only_return_a_value_are_learned_from() -> None:
    study = optuna.create_study(direction="maximize")
    for _ in range(24):
        trial = ask(study)
        suggest_two(trial)
        study.tell(trial, -distance(trial))
    assert np.median([distance(trial) for trial in study.trials[-8:]]) < 0.1


def test_a_config_of_a_grid_is_not_asked_for_again_while_others_are_left() -> None:
    study = optuna.create_study(direction="maximize")
    for _ in range(40):
        trial = ask(study)
        trial.suggest_categorical("bs", [32, 64, 128])
        trial.suggest_int("depth", 1, 6)
        trial.suggest_float("dropout", 0, 0.5, step=0.1)
        trial.report(trial.params["depth"] - trial.params["dropout"], NUM_EPOCHS)
        study.tell(trial, trial.params["depth"] - trial.params["dropout"])
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) >= 36  # of 108


def test_trials_that_run_are_not_asked_for_again() -> None:
    study = optuna.create_study(direction="maximize")
    run(study, suggest_two, lambda trial, epoch: -distance(trial), 12)
    points = []
    for _ in range(6):  # six slots, none of which has reported
        study.sampler = LearningCurveSampler(seed=len(study.trials), max_resource=NUM_EPOCHS, n_startup_trials=5)
        trial = study.ask()
        suggest_two(trial)
        points.append((round(math.log10(trial.params["lr"]), 1), trial.params["width"] // 2))
    assert len(set(points)) >= 5


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_several_objectives_are_left_to_tpe() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for _ in range(25):
        study.sampler = LearningCurveSampler(seed=len(study.trials), max_resource=NUM_EPOCHS)
        trial = study.ask()
        suggest_two(trial)
        study.tell(trial, [-distance(trial), distance(trial)])
    assert np.mean([distance(trial) for trial in study.trials[-8:]]) < np.mean(
        [distance(trial) for trial in study.trials[:8]]
    )


def test_equal_values_everywhere_are_nothing_to_learn_from() -> None:
    study = optuna.create_study(direction="maximize")
    run(study, suggest_two, lambda trial, epoch: 0.1, 10)
    assert len({trial.params["lr"] for trial in study.trials}) == 10


def test_it_works_with_the_pruner_in_an_ordinary_study() -> None:
    """As docs/search.md shows it."""
    pruner = ArchitectureHalvingPruner(max_resource=NUM_EPOCHS)
    sampler = LearningCurveSampler(seed=0, max_resource=NUM_EPOCHS)

    def objective(trial: Trial) -> float:
        suggest_two(trial)
        for epoch in range(1, NUM_EPOCHS + 1):
            trial.report(epoch / 9 - distance(trial), epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 1 - distance(trial)

    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=30)
    assert study.best_value > 0.95
    stopped = [trial.last_step for trial in study.trials if trial.state is TrialState.PRUNED]
    assert set(stopped) == {1, 3}
