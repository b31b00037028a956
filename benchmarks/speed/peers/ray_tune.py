"""What both searches with Ray Tune have in common: space, Optuna's TPE, ASHA at 3 and 9 epochs."""

from typing import Any

import optuna
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.speed.peers import write_result
from benchmarks.speed.task import (
    FACTOR,
    FIRST_RUNG,
    LR,
    MOMENTUM,
    NUM_EPOCHS,
    NUM_SLOTS,
    OUT_FEATURES,
    WEIGHT_DECAY,
)

__all__ = ["fit", "tune_config"]


def tune_config(num_trials: int, seed: int, **options: Any) -> tune.TuneConfig:
    """Returns how both are tuned."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return tune.TuneConfig(
        metric="top1",
        mode="max",
        num_samples=num_trials,
        max_concurrent_trials=NUM_SLOTS,
        search_alg=OptunaSearch(seed=seed),
        scheduler=ASHAScheduler(max_t=NUM_EPOCHS, grace_period=FIRST_RUNG, reduction_factor=FACTOR),
        **options,
    )


def fit(trainable: Any, config: tune.TuneConfig, run_config: tune.RunConfig) -> None:
    """Searches, each trial on one CPU, and writes the result."""
    first, last = OUT_FEATURES
    space = {
        "out_features": tune.lograndint(first, last + 1),
        "lr": tune.loguniform(*LR),
        "momentum": tune.uniform(*MOMENTUM),
        "weight_decay": tune.loguniform(*WEIGHT_DECAY),
    }
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}), param_space=space, tune_config=config, run_config=run_config
    )
    grid = tuner.fit()
    results = [grid[number].metrics or {} for number in range(len(grid))]
    write_result(sum(each["training_iteration"] for each in results), max(each["top1"] for each in results))
