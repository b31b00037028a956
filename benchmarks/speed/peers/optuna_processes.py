"""Optuna alone: two processes on one study in a journal file, the data in the memory of each.

As in "Easy Parallelization" of its tutorial: each process loads the study and optimizes until there are as many trials
as were wanted. TPE as it is by default, its successive halving at 3 and 9 epochs.
"""

import multiprocessing

import optuna
import torch
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import MaxTrialsCallback

from benchmarks.speed.bare_loop import build_loop
from benchmarks.speed.peers import read_arguments, write_result
from benchmarks.speed.task import (
    FACTOR,
    FIRST_RUNG,
    LR,
    MOMENTUM,
    NUM_EPOCHS,
    NUM_SLOTS,
    OUT_FEATURES,
    WEIGHT_DECAY,
    Digits,
    Params,
    load_digits,
)

_STUDY = "speed"


def _open_storage() -> JournalStorage:
    return JournalStorage(JournalFileBackend("journal.log"))


def _suggest(trial: optuna.Trial) -> Params:
    return Params(
        trial.suggest_int("out_features", *OUT_FEATURES, log=True),
        trial.suggest_float("lr", *LR, log=True),
        trial.suggest_float("momentum", *MOMENTUM),
        trial.suggest_float("weight_decay", *WEIGHT_DECAY, log=True),
    )


def _objective(trial: optuna.Trial, digits: Digits) -> float:
    loop = build_loop(_suggest(trial), digits)
    for epoch in range(1, NUM_EPOCHS + 1):
        top1 = loop.train_epoch()
        trial.report(top1, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return top1


def _optimize(num_trials: int, seed: int) -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    digits = load_digits()
    study = optuna.load_study(
        study_name=_STUDY,
        storage=_open_storage(),
        sampler=TPESampler(seed=seed),
        pruner=SuccessiveHalvingPruner(min_resource=FIRST_RUNG, reduction_factor=FACTOR),
    )
    study.optimize(lambda trial: _objective(trial, digits), callbacks=[MaxTrialsCallback(num_trials, states=None)])


def main() -> None:
    """Searches."""
    num_trials, seed = read_arguments()
    study = optuna.create_study(study_name=_STUDY, storage=_open_storage(), direction="maximize")
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_optimize, args=(num_trials, NUM_SLOTS * seed + place)) for place in range(NUM_SLOTS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    write_result(sum(len(trial.intermediate_values) for trial in study.trials), study.best_value)


if __name__ == "__main__":
    main()
