"""The floor of a search: its very trials, trained by bare loops in as many processes as it had slots.

No Ray, no Optuna, no record. Each process loads the data once and builds one model after the other; the trials come in
the order in which the search began them, the next one to the process that is free. The clock runs from the moment in
which all processes are ready to the end of the last trial.
"""

import multiprocessing
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from benchmarks.speed.bare_loop import build_loop
from benchmarks.speed.task import NUM_SLOTS, Params, load_digits

__all__ = ["Replayed", "replay"]


class Replayed(NamedTuple):
    """A trial: its parameters, and the epochs that it had."""

    params: Params
    num_epochs: int


def replay(trials: Sequence[Replayed], num_processes: int = NUM_SLOTS) -> float:
    """Returns the seconds that the trials take."""
    context = multiprocessing.get_context("spawn")
    waiting, ready = context.Queue(), context.Barrier(num_processes + 1)
    for each in [*trials, *[None] * num_processes]:
        waiting.put(each)
    processes = [context.Process(target=_train, args=(waiting, ready)) for _ in range(num_processes)]
    for process in processes:
        process.start()
    ready.wait()
    start = time.perf_counter()
    ready.wait()  # a process that has nothing more to train
    seconds = time.perf_counter() - start
    for process in processes:
        process.join()
    return seconds


def _train(waiting: Any, ready: Any) -> None:
    torch.set_num_threads(1)
    digits = load_digits()
    ready.wait()
    while (trial := waiting.get()) is not None:
        loop = build_loop(trial.params, digits)
        for _ in range(trial.num_epochs):
            loop.train_epoch()
    ready.wait()
