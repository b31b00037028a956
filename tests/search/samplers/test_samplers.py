"""Every sampler and pruner that we ship, in a search whose trials are told; and what a sampler cannot serve."""

import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from omegaconf import OmegaConf
from scipy.stats import qmc

from benchmarks.conditional_sampling import GOOD, NUM_TRIALS, OPTIONS, search_options
from sesemi_search.config.compose import Request, compose_config
from sesemi_search.errors import ConfigError
from sesemi_search.search.directory import JOURNAL
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Given, Origin, Outcome, TrialRecord
from sesemi_search.search.plan import make_plan
from sesemi_search.search.samplers.build import build_sampler
from sesemi_search.search.samplers.capabilities import check_serves
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space
from tests.payload import Payload
from tests.processes import open_study, read_trials

CONFIGS = Path(__file__).parents[3] / "configs" / "search"
SAMPLERS = sorted(path.stem for path in (CONFIGS / "sampler").glob("*.yaml"))
PRUNERS = sorted(path.stem for path in (CONFIGS / "pruner").glob("*.yaml"))
NUM_EPOCHS = 9
# So that a short search gets past the random beginning.
EARLY = {
    "learning_curves": {"n_startup_trials": 4},
    "tpe": {"n_startup_trials": 4},
    "gp": {"n_startup_trials": 3},
    "nsgaii": {"population_size": 4},
}
HEAD = {"choice": {"a": {"_target_": "x.A"}, "b": {"_target_": "x.B", "scale": {"float": [1, 32]}}}}
STEPS = {"choice": {"a": {"_target_": "x.A"}, "b": {"_target_": "x.B", "scale": {"int": [1, 4]}}}}
LR = {"float": [0.001, 1], "log": True}


def space(**tree: Any) -> Space:
    return Space(parse_space(tree))


CONDITIONAL = space(lr=LR, width={"int": [4, 64]}, head=HEAD)
DISCRETE = space(lr={"float": [0.1, 0.5], "step": 0.1}, head=STEPS)
FLAT = space(lr=LR, momentum={"float": [0, 1]}, width={"int": [4, 64]})


def shipped(group: str, name: str) -> dict[str, Any]:
    """A config of ours as a composed search has it."""
    config = OmegaConf.create(
        {"run": {"num_epochs": NUM_EPOCHS}, "node": OmegaConf.load(CONFIGS / group / f"{name}.yaml")}
    )
    node: dict[str, Any] = OmegaConf.to_container(config, resolve=True)["node"]  # type: ignore[index, call-overload]
    return node | (EARLY.get(name, {}) if group == "sampler" else {})


class Told:
    """A search without workers."""

    def __init__(
        self,
        folder: Path,
        sampler: Mapping[str, Any],
        pruner: str = "none",
        space: Space = CONDITIONAL,
        num_epochs: int = NUM_EPOCHS,
    ) -> None:
        self._num_epochs = num_epochs
        self.folder = folder
        objectives = Objectives((Objective("val/top1", True),))
        node = shipped("pruner", pruner)
        self._parts: dict[str, Any] = {"sampler": sampler, "pruner": node, "seed": 1, "objectives": objectives}
        self._space = space
        folder.mkdir()
        self.ledger = Ledger.create(folder, "told", space, **self._parts)

    def reopen(self) -> None:
        """As after a kill."""
        self.ledger = Ledger.open(self.folder, "told", self._space, **self._parts)

    def finish(self, record: TrialRecord) -> None:
        """Reports epochs until the trial is stopped or whole."""
        for epoch in range(record.epochs + 1, self._num_epochs + 1):
            self.ledger.report(record.number, epoch, objective(record.params, epoch), {})
            if epoch < self._num_epochs and self.ledger.should_prune(record.number, epoch):
                return self.ledger.tell(record.number, Outcome.stopped)
        return self.ledger.tell(record.number, Outcome.complete)

    def run(self, num_trials: int, after_each: Callable[[], None] = lambda: None) -> list[tuple[Any, ...]]:
        while len(self.ledger) < num_trials and not self.ledger.is_exhausted:
            self.finish(self.ledger.ask())
            after_each()
        return [(r.params, r.values, r.outcome) for r in self.ledger.records()]


def objective(params: Mapping[str, Any], epoch: int) -> float:
    return -abs(math.log10(params["lr"]) + 1) - 0.01 * abs(params.get("head.b.scale", 40) - 10) + 0.01 * epoch


def serves(sampler: str) -> Space:
    return DISCRETE if sampler == "grid" else CONDITIONAL


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_is_killed_again_and_again_is_the_undisturbed_one(sampler: str, tmp_path: Path) -> None:
    num_trials = 7 if sampler == "gp" else 12
    node, pruner = shipped("sampler", sampler), "none" if sampler == "gp" else "median"
    undisturbed = Told(tmp_path / "undisturbed", node, pruner, serves(sampler)).run(num_trials)
    assert len(undisturbed) == num_trials
    assert len({repr(params) for params, _, _ in undisturbed}) == num_trials
    killed = Told(tmp_path / "killed", node, pruner, serves(sampler))

    def disturb() -> None:
        killed.reopen()
        if len(killed.ledger) < num_trials:
            record = killed.ledger.ask()
            killed.ledger.report(record.number, 1, objective(record.params, 1), {})
            killed.reopen()
            killed.finish(killed.ledger.adopt(record.number))

    assert killed.run(num_trials, disturb) == undisturbed


# Not gp and not nsgaii, which find what they wrote of the ask that was cut short and draw another point then.
@pytest.mark.parametrize("sampler", ["cmaes", "grid", "learning_curves", "qmc", "random", "tpe"])
def test_an_ask_that_was_cut_short_anywhere_is_asked_again(sampler: str, tmp_path: Path) -> None:
    told = Told(tmp_path / "told", shipped("sampler", sampler), "none", serves(sampler), 1)
    told.run(9)
    journal = told.folder / JOURNAL
    before = len(journal.read_bytes().splitlines())
    undisturbed = told.ledger.ask().params
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in range(before + 1, len(lines)):
        journal.write_bytes(b"".join(lines[:kept]))
        told.reopen()
        assert told.ledger.adopt(9).params == undisturbed, lines[kept - 1]


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_pruner_stops_the_worse_trials_alike_however_often_it_is_built(pruner: str, tmp_path: Path) -> None:
    sampler = shipped("sampler", "random")
    undisturbed = Told(tmp_path / "undisturbed", sampler, pruner).run(20)
    killed = Told(tmp_path / "killed", sampler, pruner)
    assert killed.run(20, killed.reopen) == undisturbed
    last = {outcome: [values[1] for _, values, each in undisturbed if each is outcome] for outcome in Outcome}
    assert len(last[Outcome.complete]) >= 2
    if pruner == "none":
        assert not last[Outcome.stopped]
    else:
        assert np.mean(last[Outcome.complete]) > np.mean(last[Outcome.stopped])


def test_a_sampler_sees_its_bracket_of_hyperband_from_the_first_ask_on(tmp_path: Path) -> None:
    sampler = shipped("sampler", "cmaes")
    undisturbed = Told(tmp_path / "undisturbed", sampler, "hyperband").run(14)
    killed = Told(tmp_path / "killed", sampler, "hyperband")
    assert killed.run(14, killed.reopen) == undisturbed


def test_a_verdict_of_hyperband_that_was_not_carried_out_is_given_again(tmp_path: Path) -> None:
    told = Told(tmp_path / "told", shipped("sampler", "random"), "hyperband")
    told.run(12)
    verdicts = []
    for value in (-9.0, 9.0) * 4:  # far below and far above all; each bracket gets some
        number = told.ledger.ask().number
        for epoch in range(1, NUM_EPOCHS):
            told.ledger.report(number, epoch, value + epoch / 100, {})
            if (verdict := told.ledger.should_prune(number, epoch)) or epoch == NUM_EPOCHS - 1:
                break
        told.reopen()
        told.ledger.adopt(number)
        verdicts.append((verdict, told.ledger.should_prune(number, epoch)))
        told.ledger.tell(number, Outcome.stopped)
    assert verdicts == [(first, first) for first, _ in verdicts]
    assert {first for first, _ in verdicts} == {True, False}


def test_hyperband_takes_the_epochs_of_the_run(project: Path) -> None:
    overrides = ["space=tiny", "search/pruner=hyperband", "run.num_epochs=9"]
    request = Request(search=True, overrides=overrides, project=project)
    plan = make_plan(compose_config(request))
    assert plan.settings.search.pruner["max_resource"] == 9


def test_the_grid_is_tried_whole_and_once_with_several_trials_at_a_time(tmp_path: Path) -> None:
    told = Told(tmp_path / "told", shipped("sampler", "grid"), "none", DISCRETE)
    told.ledger.begin([], [Given({"lr": 0.3, "head": "b", "head.b.scale": 2}, Origin.baseline)])
    outcomes = [Outcome.complete, Outcome.error, Outcome.infeasible, Outcome.lost]
    while not told.ledger.is_exhausted:
        running = [told.ledger.ask().number]
        while len(running) < 4 and not told.ledger.is_exhausted:
            running.append(told.ledger.ask().number)
        for number, outcome in zip(running, outcomes, strict=False):
            told.ledger.report(number, 1, 0.5, {})
            told.ledger.tell(number, outcome)
    rates = {round(0.1 * i, 1) for i in range(1, 6)}
    points = {(lr, "a", None) for lr in rates} | {(lr, "b", scale) for lr in rates for scale in range(1, 5)}
    tried = [(r.params["lr"], r.params["head"], r.params.get("head.b.scale")) for r in told.ledger.records()]
    assert len(tried) == 25
    assert set(tried) == points
    told.reopen()
    assert told.ledger.is_exhausted


def test_the_sequence_of_qmc_fills_the_space_more_evenly_than_chance(tmp_path: Path) -> None:
    def discrepancy(sampler: str) -> float:
        told = Told(tmp_path / sampler, shipped("sampler", sampler), "none", FLAT, num_epochs=1)
        told.run(17)
        points = [
            [math.log10(r.params["lr"]) / 3 + 1, r.params["momentum"], (r.params["width"] - 3.5) / 61]
            for r in told.ledger.records()[1:]  # the first is random
        ]
        return float(qmc.discrepancy(np.array(points)))

    assert discrepancy("qmc") < discrepancy("random") / 2


def test_what_qmc_has_no_sequence_for_differs_between_trials(tmp_path: Path) -> None:
    told = Told(tmp_path / "told", shipped("sampler", "qmc"))
    told.ledger.begin([], [Given({"lr": 0.1, "width": 8, "head": "a"}, Origin.baseline)])
    told.run(12)
    scales = [r.params["head.b.scale"] for r in told.ledger.records() if r.params["head"] == "b"]
    assert len(set(scales)) == len(scales) > 2


def test_cmaes_narrows_to_the_optimum(tmp_path: Path) -> None:
    def distance(sampler: str) -> float:
        told = Told(tmp_path / sampler, shipped("sampler", sampler), "asha", FLAT, num_epochs=2)
        told.run(60)
        return float(np.mean([abs(math.log10(r.params["lr"]) + 1) for r in told.ledger.records()[45:]]))

    assert distance("cmaes") < distance("random") / 3


def test_cmaes_keeps_no_pickle_in_the_ledger(tmp_path: Path) -> None:
    told = Told(tmp_path / "told", shipped("sampler", "cmaes"), "none", FLAT, num_epochs=1)
    told.run(20)
    attributes = [trial.system_attrs for trial in read_trials(told.folder)]
    assert {name for each in attributes for name in each} == {"cmaes:generation"}
    assert [each["cmaes:generation"] for each in attributes[1:]] == [0] * 7 + [1] * 7 + [2] * 5


def test_a_pickle_in_the_ledger_is_not_read_by_cmaes(tmp_path: Path) -> None:
    told, marker = (
        Told(tmp_path / "told", shipped("sampler", "cmaes"), "none", FLAT, num_epochs=1),
        tmp_path / "executed",
    )
    told.run(12)
    study = open_study(told.folder)
    hostile = pickle.dumps(Payload(marker)).hex()
    attributes = {f"{prefix}:optimizer:0": hostile for prefix in ("cma", "cmaes", "sepcma", "cmawm")}
    like = study.get_trials()[-1]
    study.add_trial(
        optuna.create_trial(
            value=0.5,
            params=like.params,
            distributions=like.distributions,
            user_attrs=like.user_attrs,
            system_attrs=attributes | like.system_attrs,
        )
    )
    told.reopen()
    told.run(20)
    assert not marker.exists()
    study.sampler = optuna.samplers.CmaEsSampler()
    with pytest.raises(AttributeError):  # what the pickle returns is no optimizer
        study.ask(like.distributions)
    assert marker.exists()


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "optuna.samplers.CmaEsSampler"},
        {
            "_target_": "optuna.samplers.PartialFixedSampler",
            "fixed_params": {},
            "base_sampler": {"_target_": "optuna.samplers.CmaEsSampler"},
        },
    ],
)
def test_a_sampler_that_pickles_is_refused(node: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"as a pickle.*search/sampler=cmaes"):
        build_sampler(node, 0, 0)


OPTUNA = "optuna.samplers"
UNSERVED = {
    "a continuous dimension on a grid": ("grid", {}, CONDITIONAL, 1, ["space.lr: a continuous", "space.head.b.scale"]),
    "choices only for cmaes": ("cmaes", {}, space(a={"choice": [1, 2]}), 1, ["numbers that every trial has"]),
    "two objectives for cmaes": ("cmaes", {}, FLAT, 2, ["serves one objective, and this search has 2"]),
    "a sequence for each trial": (
        "qmc",
        {"_target_": f"{OPTUNA}.QMCSampler", "scramble": True},
        FLAT,
        1,
        ["search.sampler.scramble: got True"],
    ),
    "a grid of Optuna's": ("grid", {"_target_": f"{OPTUNA}.GridSampler"}, DISCRETE, 1, ["search/sampler=grid"]),
}
PARTLY_SERVED = {
    ("gp", "median"): ["draws at random: scale", "learns from complete trials only"],
    ("gp", "none"): ["draws at random: scale"],
    ("nsgaii", "asha"): ["draws at random: scale", "learns from complete trials only"],
    ("cmaes", "asha"): ["draws at random: head, scale"],
    ("qmc", "asha"): ["options' own dimensions at random"],
    ("tpe", "asha"): [],
    ("learning_curves", "late_halving"): [],
    ("random", "asha"): [],
}


@pytest.mark.parametrize("case", UNSERVED)
def test_what_a_sampler_cannot_serve_is_a_problem_before_the_start(case: str) -> None:
    sampler, changes, where, num_objectives, says = UNSERVED[case]
    serving = check_serves(shipped("sampler", sampler) | changes, shipped("pruner", "none"), where, num_objectives)
    assert len(serving.problems) == len(says)
    for problem, words in zip(serving.problems, says, strict=True):
        assert words in str(problem)


@pytest.mark.parametrize(("sampler", "pruner"), PARTLY_SERVED)
def test_what_a_sampler_serves_in_part_is_a_note(sampler: str, pruner: str) -> None:
    serving = check_serves(shipped("sampler", sampler), shipped("pruner", pruner), CONDITIONAL)
    assert serving.problems == []
    assert len(serving.notes) == len(PARTLY_SERVED[sampler, pruner])
    for note, words in zip(serving.notes, PARTLY_SERVED[sampler, pruner], strict=True):
        assert words in note


@pytest.mark.parametrize("sampler", ["learning_curves", "tpe", "gp", "nsgaii", "qmc", "random"])
def test_a_sampler_of_several_objectives_has_no_problem_with_two(sampler: str) -> None:
    assert check_serves(shipped("sampler", sampler), shipped("pruner", "none"), FLAT, 2).problems == []


def test_the_size_of_the_grid_is_said() -> None:
    assert "25 points" in check_serves(shipped("sampler", "grid"), shipped("pruner", "none"), DISCRETE).notes[0]


def test_a_problem_stops_a_search_and_a_note_is_said(project: Path, said: list[str]) -> None:
    def plan(sampler: str) -> list[str]:
        said.clear()
        request = Request(search=True, overrides=["space=tiny", f"search/sampler={sampler}"], project=project)
        make_plan(compose_config(request))
        return said

    with pytest.raises(ConfigError, match=r"space\.learner\.hparams\.optimizer\.lr: a continuous dimension"):
        plan("grid")
    assert any("CmaEsSampler draws at random: head" in line for line in plan("cmaes"))


def test_an_option_that_is_the_best_only_when_tuned_is_found() -> None:
    searches = [search_options(shipped("sampler", "tpe") | {"n_startup_trials": 10}, seed) for seed in range(3)]
    last = [option for options, _ in searches for option in options[-NUM_TRIALS // 4 :]]
    assert last.count(GOOD) / len(last) > 1.5 / len(OPTIONS)  # more than chance gives it
    assert min(best for _, best in searches) > 0.85  # the other options end at 0.80
