"""The same search by us and by others, each as one command: wall seconds, epochs trained, and where our time went.

A round runs all of them once, one after the other; our floor follows our search at once. What is said of our search is
read from outside: the command's start and end, the ledger's times of its trials, the times in `search.log`, and the
passes that its models noted (`stamped_lenet.py`).
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from benchmarks.speed.floor import Replayed, replay
from benchmarks.speed.peers import RESULT
from benchmarks.speed.processes import PROJECT, Ended, run_module
from benchmarks.speed.stamps import STAMPS, Idle, measure_idle, read_stamps
from benchmarks.speed.task import BATCH_SIZE, NUM_SLOTS, Params

__all__ = ["DOCUMENTED", "EXPERT", "OPTUNA", "OurSearch", "Round", "Search", "run_round"]

EXPERT, OPTUNA, DOCUMENTED = "Ray Tune by an expert", "Optuna alone, two processes", "Ray Tune as documented"
_MODULES = {EXPERT: "ray_expert", OPTUNA: "optuna_processes", DOCUMENTED: "ray_documented"}
_SPACE = (
    "space=lenet_cosine",
    f"space.run.batch_size_per_gpu={BATCH_SIZE}",
    "space.learner.hparams.model.head=cosine",
    "learner.hparams.model.backbone._target_=benchmarks.speed.stamped_lenet.StampedLeNet5",
)
_HPARAMS = "learner.hparams."


class Search(NamedTuple):
    """A whole command.

    Attributes:
        seconds: Wall seconds, from the start of the process to its end.
        num_trials: Trials that it was asked for.
        num_epochs: Epochs that it trained.
        best: The best val/top1 that a trial ended with.
        load: Load average just before.
    """

    seconds: float
    num_trials: int
    num_epochs: int
    best: float
    load: float

    @property
    def seconds_per_epoch(self) -> float:
        """Wall seconds of the whole command for each epoch that it trained."""
        return self.seconds / self.num_epochs


class OurSearch(NamedTuple):
    """Our search, seen from outside.

    Attributes:
        whole: The command.
        trials: Its trials in the order in which they began.
        span_s: From the first trial's start to the last one's end, as the ledger has them.
        trained_s: From the first training step to the last evaluation.
        checked_s: From the start of the command until the check had passed.
        first_step_s: From the start of the command to the first training step.
        prompt_s: From the last trial's end, as the ledger has it, to the end of the command.
        idle: When slots did not train.
    """

    whole: Search
    trials: list[Replayed]
    span_s: float
    trained_s: float
    checked_s: float
    first_step_s: float
    prompt_s: float
    idle: Idle


class Round(NamedTuple):
    """All contenders once.

    Attributes:
        ours: Our search.
        floor_s: Seconds that its trials take in bare loops.
        peers: The others, by name.
    """

    ours: OurSearch
    floor_s: float
    peers: Mapping[str, Search]


def run_round(num_trials: int, seed: int, num_documented: int) -> Round:
    """Runs all contenders, another one first in each round.

    Args:
        num_trials: Trials of each.
        seed: Number of the round.
        num_documented: Trials of Ray Tune as documented, which takes minutes; 0 leaves it out.
    """
    peers: dict[str, Search] = {}
    turns = ["ours", EXPERT, OPTUNA]
    for name in [*turns[seed % 3 :], *turns[: seed % 3]]:
        if name == "ours":
            ours = _search(num_trials, seed)
            floor_s = replay(ours.trials)
            print(f"floor: {floor_s:.1f} s", file=sys.stderr)
        else:
            peers[name] = _run_peer(name, num_trials, seed)
    if num_documented:
        peers[DOCUMENTED] = _run_peer(DOCUMENTED, num_documented, seed)
    return Round(ours, floor_s, peers)


def _run_peer(name: str, num_trials: int, seed: int) -> Search:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        load = os.getloadavg()[0]
        ended = run_module(f"benchmarks.speed.peers.{_MODULES[name]}", [str(num_trials), str(seed)], Path(folder))
        result = json.loads(Path(folder, RESULT).read_text())
    return _told(name, Search(ended.seconds, num_trials, load=load, **result))


def _search(num_trials: int, seed: int) -> OurSearch:
    options = [f"search.num_trials={num_trials}", f"search.seed={seed}", f"search.max_concurrent={NUM_SLOTS}"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        directory, stamps = folder / "search", folder / "stamps"
        load = os.getloadavg()[0]
        arguments = ["run", *_SPACE, *options, f"search.dir={directory}"]
        ended = run_module("sesemi_search", arguments, PROJECT, **{STAMPS: str(stamps)})
        return _read_search(ended, directory, stamps, num_trials, load)


def _read_search(ended: Ended, directory: Path, stamps: Path, num_trials: int, load: float) -> OurSearch:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(directory / "study.journal")))
    trained = [t for t in optuna.load_study(study_name=None, storage=storage).trials if t.intermediate_values]
    trained.sort(key=lambda trial: trial.datetime_start or datetime.max)
    trials = [Replayed(_params(trial), len(trial.intermediate_values)) for trial in trained]
    best = max(trial.value or 0.0 for trial in trained if trial.state is TrialState.COMPLETE)
    num_epochs = sum(trial.num_epochs for trial in trials)
    first_s = min(trial.datetime_start.timestamp() for trial in trained if trial.datetime_start)
    last_s = max(trial.datetime_complete.timestamp() for trial in trained if trial.datetime_complete)
    passes = read_stamps(stamps)
    whole = _told("ours", Search(ended.seconds, num_trials, num_epochs, best, load))
    return OurSearch(
        whole,
        trials,
        span_s=last_s - first_s,
        trained_s=passes[-1].time_s - passes[0].time_s,
        checked_s=_when_checked(directory / "search.log") - ended.began_s,
        first_step_s=passes[0].time_s - ended.began_s,
        prompt_s=ended.ended_s - last_s,
        idle=measure_idle(passes),
    )


def _params(trial: FrozenTrial) -> Params:
    """Returns the point of the space that a trial of ours has."""
    optimizer = f"{_HPARAMS}optimizer."
    return Params(
        out_features=trial.params[f"{_HPARAMS}model.backbone.out_features"],
        **{name: trial.params[optimizer + name] for name in ("lr", "momentum", "weight_decay")},
    )


def _when_checked(log: Path) -> float:
    """Returns when the check had passed, in seconds since the epoch."""
    line = next(line for line in log.read_text().splitlines() if "pre-flight:" in line)
    return datetime.fromisoformat(line.split()[0]).timestamp()


def _told(name: str, search: Search) -> Search:
    print(
        f"{name}: {search.seconds:.1f} s, {search.num_epochs} epochs, {1000 * search.seconds_per_epoch:.0f} ms an "
        f"epoch, best {search.best:.4f}, load before {search.load:.1f}",
        file=sys.stderr,
    )
    return search
