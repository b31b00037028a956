"""The two phases of a final run that train: confirm, and the winner on all images. Each is a search of given trials.

So the search's own machinery runs them: a ledger that is the only record, workers that are used again, trials that go
on after any kill. A trial is a candidate with a seed.
"""

import copy
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sesemi_search.config.experiment import Sampled, Written, plain, to_typed
from sesemi_search.config.schema import ConstraintsConfig, SearchExperimentConfig
from sesemi_search.data.normalization import fill_normalization
from sesemi_search.data.stored import ImageSplit
from sesemi_search.errors import ConfigError
from sesemi_search.final.candidates import Configs
from sesemi_search.final.confirm import Candidate, next_runs
from sesemi_search.models.expected_input import follow_backbone
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.excluded_branches import Excluded
from sesemi_search.project.project import Project
from sesemi_search.search.directory import holds_search
from sesemi_search.search.initial.initial_trials import InitialTrials
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Given, Origin, Outcome, TrialRecord
from sesemi_search.search.phase import CANDIDATE, SEED, Phase
from sesemi_search.search.plan import Plan
from sesemi_search.search.stored_search import read_search
from sesemi_search.space.domains import Choice, Tree
from sesemi_search.space.space import Space
from sesemi_search.space.write import to_plain

__all__ = ["PhaseSetup", "fresh_seeds", "plan_confirm", "plan_training", "read_configs", "read_records", "score_table"]

_CANDIDATES = "candidates"
_SEEDS_OF_A_FINAL_RUN = 1000
_TRAINING_OBJECTIVE = Objective("train/loss", maximize=False)  # the only one there is without validation images


@dataclass(frozen=True)
class CandidateSpace(Space):
    """Candidates and seeds; a sample is one of each."""

    def apply(self, experiment: Written, params: Mapping[str, Any]) -> Sampled:
        """Returns the config of a candidate with a seed.

        Args:
            experiment: The configs by candidate, below `candidates`.
            params: What `sample` returned.
        """
        config = copy.deepcopy(experiment[_CANDIDATES][params[CANDIDATE]])
        config["run"]["seed"] = params[SEED]
        return Sampled(config)


@dataclass(frozen=True)
class PhaseSetup:
    """What the phases of a final run have in common.

    Attributes:
        config: The config of the search, with what the command line changes of it.
        study: What the names of the phases' studies begin with.
        group: Group of their runs in Weights & Biases: the search's study.
        objective: What the search optimizes first.
        project: The user's project.
        command: What goes on with the final run.
        architectures: Models measured so far.
    """

    config: DictConfig
    study: str
    group: str
    objective: Objective
    project: Project | None
    command: str
    architectures: Architectures

    def typed(self, experiment: Written, **search: Any) -> SearchExperimentConfig:
        """Returns the settings of a phase that trains an experiment, typed; its `space` is null."""
        settings: SearchExperimentConfig = to_typed(self.compose(experiment, None, **search))
        return settings

    def compose(self, experiment: Written, space: Any, **search: Any) -> DictConfig:
        """Returns the config of a phase: the search's, without what is a search's alone."""
        config = plain(self.config)
        alone = {
            "metric": self.objective.name,
            "mode": self.objective.mode,
            "best_within": 0.0,
            "dir": None,
            "storage": None,
            "sampler": {"_target_": "optuna.samplers.RandomSampler"},
            "pruner": {"_target_": "optuna.pruners.NopPruner"},
            "constraints": vars(ConstraintsConfig()),
            "time_budget": None,
            "compute_budget": None,
            "warm_start": [],
            "enqueue": [],
            "baseline": False,
            "keep_checkpoints": 0,
        }
        changed = {**config, **experiment, "search": {**config["search"], **alone, **search}, "space": space}
        merged = OmegaConf.merge(OmegaConf.structured(SearchExperimentConfig), changed)
        assert isinstance(merged, DictConfig)
        return merged


def plan_confirm(
    setup: PhaseSetup,
    configs: Configs,
    candidates: Sequence[Candidate],
    seeds: Sequence[int],
    data: Mapping[str, ImageSplit],
) -> Plan:
    """Returns the plan of confirm: each candidate over seeds that all share, in rounds (`final.confirm`)."""

    def propose(records: Sequence[TrialRecord]) -> Given | None:
        results = score_table(records, list(configs), seeds)
        asked = {(r.params[CANDIDATE], r.params[SEED]) for r in records}
        due = next_runs(candidates, results, len(seeds), setup.objective.maximize)
        return _first_new(((name, seeds[index]) for name, index in due), asked)

    phase = Phase("confirm", setup.group, setup.command, propose)
    most = len(configs) * len(seeds)  # which replacements of candidates that fail cannot pass
    return _plan(setup, configs, seeds, data, phase, setup.objective, num_trials=most)


def plan_training(
    setup: PhaseSetup,
    name: str,
    config: Written,
    seeds: Sequence[int],
    data: Mapping[str, ImageSplit],
) -> Plan:
    """Returns the plan of the final training: the winner on all images of `train`, a model for each seed."""

    def propose(records: Sequence[TrialRecord]) -> Given | None:
        asked = {(r.params[CANDIDATE], r.params[SEED]) for r in records}
        return _first_new(((name, seed) for seed in seeds), asked)

    phase = Phase("final", setup.group, setup.command, propose)
    count = len(seeds)
    objective = _TRAINING_OBJECTIVE
    return _plan(setup, {name: config}, seeds, data, phase, objective, num_trials=count, keep_checkpoints=count)


def read_configs(directory: Path) -> Configs | None:
    """Returns the candidates that a phase was begun with, None where none was."""
    if not holds_search(directory):
        return None
    try:
        definition = read_search(directory).attributes.get("definition", {})
    except ConfigError:  # a driver was killed before there was a study; whoever goes on says what else is wrong
        return None
    return {name: Written(config) for name, config in definition.get(_CANDIDATES, {}).items()} or None


def read_records(directory: Path) -> list[TrialRecord]:
    """Returns the trials of a phase, none of one that has not begun."""
    return read_search(directory).records if read_configs(directory) else []


def score_table(
    records: Sequence[TrialRecord], names: Sequence[str], seeds: Sequence[int]
) -> dict[str, list[float | None]]:
    """Returns by candidate its score with each seed: NaN where it failed for good, None where it is not over."""
    by_pair = {(r.params[CANDIDATE], r.params[SEED]): r for r in records}
    return {name: [_score(by_pair.get((name, seed))) for seed in seeds] for name in names}


def fresh_seeds(stored_seeds: set[int], attempt: int, count: int) -> list[int]:
    """Returns seeds that a search did not use, others in each attempt at its final run.

    Args:
        stored_seeds: Seeds of the search.
        attempt: Which final run of the search it is, from 1 on.
        count: How many.
    """
    seeds = (seed for seed in itertools.count(attempt * _SEEDS_OF_A_FINAL_RUN) if seed not in stored_seeds)
    return list(itertools.islice(seeds, count))


def _first_new(pairs: Iterator[tuple[str, int]], asked: set[tuple[str, int]]) -> Given | None:
    for name, seed in pairs:
        if (name, seed) not in asked:
            return Given({CANDIDATE: name, SEED: seed}, Origin.enqueued)
    return None


def _score(record: TrialRecord | None) -> float | None:
    if record is None or not record.is_ended:
        return None
    return record.value if record.outcome is Outcome.complete else math.nan


def _plan(
    setup: PhaseSetup,
    configs: Configs,
    seeds: Sequence[int],
    data: Mapping[str, ImageSplit],
    phase: Phase,
    objective: Objective,
    **search: Any,
) -> Plan:
    space = CandidateSpace(Tree({CANDIDATE: Choice(tuple(configs)), SEED: Choice(tuple(seeds))}))
    first = next(iter(configs.values()))
    search |= {"metric": objective.name, "mode": objective.mode, "study": f"{setup.study}-{phase.job_type}"}
    config = setup.compose(first, to_plain(space.root), **search)
    settings = setup.typed(first, **search)
    filled = fill_normalization(settings.data, data["train"], quiet=True)
    return Plan(
        config,
        settings,
        Objectives((objective,)),
        space,
        Written({_CANDIDATES: configs}),
        partial(follow_backbone, measured={"mean": filled.mean, "std": filled.std}),
        setup.project,
        setup.architectures,
        data,
        Excluded(),
        InitialTrials(),
        phase,
    )
