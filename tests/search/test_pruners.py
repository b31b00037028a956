import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.errors import ConfigError
from sesemi_search.search.ledger.conversion import to_record
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective, Objectives
from sesemi_search.search.ledger.records import Bar, Given, Origin, Outcome
from sesemi_search.search.pruners import ArchitectureHalvingPruner, build_pruner
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

TARGET = {"_target_": "sesemi_search.search.pruners.ArchitectureHalvingPruner", "max_resource": 27}


def judge(
    values: list[float | tuple[str, float]], pruner: ArchitectureHalvingPruner, epoch: int, direction: str = "maximize"
) -> list[bool]:
    """Each trial reports one value at an epoch, one after another; returns who is stopped."""
    study = optuna.create_study(direction=direction, pruner=pruner)
    verdicts = []
    for each in values:
        family, value = each if isinstance(each, tuple) else ("only", each)
        trial = study.ask({"model": CategoricalDistribution(("only", "quick", "slow"))})
        study._storage._get_trial(trial._trial_id).params["model"] = family  # type: ignore[attr-defined]
        trial._cached_frozen_trial.params["model"] = family
        trial.report(value, epoch)
        verdicts.append(trial.should_prune())
    return verdicts


@pytest.mark.parametrize(
    ("num_epochs", "num_rungs", "rungs"),
    [(27, 2, [3, 9]), (50, 2, [6, 17]), (9, 2, [1, 3]), (27, 3, [1, 3, 9]), (3, 2, [1]), (2, 2, [1]), (1, 2, [])],
)
def test_rungs_are_counted_from_the_end_of_the_run(num_epochs: int, num_rungs: int, rungs: list[int]) -> None:
    assert ArchitectureHalvingPruner(max_resource=num_epochs, num_rungs=num_rungs).rungs == rungs


@pytest.mark.parametrize(("rung", "first"), [(3, True), (9, False)])
def test_the_best_third_goes_on_and_from_the_second_rung_on_the_first_with_it(rung: int, first: bool) -> None:
    verdicts = judge([0.5, 0.4, 0.6, 0.3, 0.55, 0.58], ArchitectureHalvingPruner(max_resource=27), rung)
    assert verdicts == [first, True, False, True, True, False]


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(3, [True, True, True, True, True, False]), (2, [True, True, True, True, False, False])],
)
def test_at_the_first_rung_nobody_has_a_place_for_coming_early(factor: int, expected: list[bool]) -> None:
    pruner = ArchitectureHalvingPruner(max_resource=27, reduction_factor=factor)
    assert judge([0.6, 0.5, 0.55, 0.3, 0.58, 0.59], pruner, pruner.rungs[0]) == expected


def test_nan_is_stopped_and_makes_no_place() -> None:
    nan = float("nan")
    assert judge([nan, 0.1, 0.2], ArchitectureHalvingPruner(max_resource=27), 3) == [True, True, True]
    assert judge([nan, 0.1, 0.2], ArchitectureHalvingPruner(max_resource=27), 9) == [True, False, False]


def test_a_run_of_one_rung_has_it_as_its_first() -> None:
    assert judge([0.5, 0.6, 0.7], ArchitectureHalvingPruner(max_resource=3), 1) == [True, True, False]


def test_less_is_better_where_the_study_minimizes() -> None:
    verdicts = judge([0.5, 0.6, 0.4], ArchitectureHalvingPruner(max_resource=27), 9, "minimize")
    assert verdicts == [False, True, False]


def test_between_rungs_and_at_the_end_nothing_is_stopped() -> None:
    pruner = ArchitectureHalvingPruner(max_resource=27)
    for epoch in (1, 2, 4, 8, 10, 27):
        assert judge([0.9, 0.1], pruner, epoch) == [False, False]


def test_a_slow_starter_is_held_against_its_like_only() -> None:
    values: list[float | tuple[str, float]] = [("quick", 0.9), ("slow", 0.2), ("quick", 0.8), ("slow", 0.3)]
    apart = ArchitectureHalvingPruner(max_resource=27, families=["model"])
    assert judge(values, apart, 3) == [False, False, True, False]
    assert judge(values, ArchitectureHalvingPruner(max_resource=27), 9) == [False, True, True, True]


@pytest.mark.parametrize("wrong", [{"max_resource": 0}, {"reduction_factor": 1}, {"num_rungs": 0}])
def test_a_number_that_makes_no_halving_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        build_pruner(TARGET | wrong)


def families(model: dict[str, object]) -> tuple[str, ...]:
    tree = {"learner": {"hparams": {"optimizer": {"choice": {"a": {"_target_": "x.A"}, "b": {"_target_": "x.B"}}}}}}
    tree["learner"]["hparams"]["model"] = model  # type: ignore[assignment]
    pruner = build_pruner({**TARGET, "families": None}, Space(parse_space(tree)))
    assert isinstance(pruner, ArchitectureHalvingPruner)
    return pruner._families


CHOICE = {"choice": {"a": {"_target_": "x.A"}, "b": {"_target_": "x.B"}}}
LR = {"_target_": "x.A", "width": {"int": [1, 4]}}


def test_an_architecture_is_its_backbone_or_else_its_head() -> None:
    assert families({"backbone": CHOICE, "head": CHOICE}) == ("learner.hparams.model.backbone",)
    assert families({"backbone": LR, "head": CHOICE}) == ("learner.hparams.model.head",)
    assert families({"backbone": LR}) == ()


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("lenet_cosine", ["learner.hparams.model.head"]),
        ("heads", ["learner.hparams.model.head"]),
        ("backbones", ["learner.hparams.model.backbone"]),
        ("timm", ["learner.hparams"]),
    ],
)
def test_every_shipped_space_has_its_architectures(space: str, expected: list[str]) -> None:
    data = ["data.source.folder=/nowhere", "learner.hparams.num_classes=3"] if space == "timm" else []
    config = compose_config(Request(search=True, overrides=[f"space={space}", *data])).config
    raw = OmegaConf.to_container(config.space, resolve=False)
    pruner = build_pruner({**TARGET, "families": None}, Space(parse_space(raw)))
    assert isinstance(pruner, ArchitectureHalvingPruner)
    assert list(pruner._families) == expected


def test_a_backbone_may_be_chosen_by_its_name() -> None:
    assert families({"backbone": {"name": {"choice": ["resnet18", "vit"]}}, "head": CHOICE}) == (
        "learner.hparams.model.backbone.name",
    )


def test_families_are_named_as_tables_name_them_and_a_wrong_name_is_told() -> None:
    pruner = build_pruner({**TARGET, "families": ["backbone"]}, BACKBONES)
    assert isinstance(pruner, ArchitectureHalvingPruner)
    assert pruner._families == ("learner.hparams.model.backbone",)
    with pytest.raises(ConfigError, match=r"search\.pruner\.families: got 'backbon'.*Did you mean 'backbone'"):
        build_pruner({**TARGET, "families": ["backbon"]}, BACKBONES)
    with pytest.raises(ConfigError, match="a list of names"):
        build_pruner({**TARGET, "families": "backbone"}, BACKBONES)


BACKBONES = Space(
    parse_space(
        {
            "learner": {
                "hparams": {"model": {"backbone": CHOICE}},
            }
        }
    )
)
BACKBONE = "learner.hparams.model.backbone"


@pytest.mark.parametrize("reopened", [False, True])
def test_a_search_holds_a_trial_against_its_own_backbone_also_after_a_kill(reopened: bool, tmp_path: Path) -> None:
    parts: dict[str, Any] = {
        "sampler": {"_target_": "optuna.samplers.RandomSampler"},
        "pruner": {**TARGET, "families": None},
        "seed": 0,
        "objectives": Objectives((Objective("val/top1", True),)),
    }
    ledger = Ledger.create(tmp_path, "search", BACKBONES, **parts)
    given = [Given({BACKBONE: each}, Origin.enqueued) for each in ("a", "b", "a", "b")]
    ledger.begin([], given)
    verdicts = []
    for value in (0.9, 0.2, 0.8, 0.3):  # b is slow: worse than each a, its second better than its first
        number = ledger.ask().number
        ledger.report(number, 3, value, {})
        if reopened:
            ledger = Ledger.open(tmp_path, "search", BACKBONES, **parts)
            ledger.adopt(number)
        verdicts.append(ledger.should_prune(number, 3))
        ledger.tell(number, Outcome.stopped)
    assert verdicts == [False, False, True, False]


def test_the_default_search_halves_late_within_a_head(project: Path) -> None:
    config = compose_config(Request(search=True, overrides=["space=tiny", "run.num_epochs=9"], project=project)).config
    pruner = build_pruner(dict(config.search.pruner), None)
    assert isinstance(pruner, ArchitectureHalvingPruner)
    assert pruner.rungs == [1, 3]


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([0.6, 0.5, 0.7, 0.65], [Bar(3, None, 0, 1), Bar(3, None, 0, 2), Bar(3, 0.7, 1, 3), Bar(3, 0.7, 1, 4)]),
        ([math.nan, 0.5, 0.4, 0.3], [Bar(3, None, 0, 0), Bar(3, None, 0, 1), Bar(3, None, 0, 2), Bar(3, 0.5, 1, 3)]),
    ],
)
def test_the_bar_is_the_worst_value_that_passes(values: list[float], bars: list[Bar]) -> None:
    pruner = ArchitectureHalvingPruner(max_resource=27)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    found = []
    for value in values:
        trial = study.ask()
        trial.report(value, 3)
        found.append(pruner.bar(study, study._storage.get_trial(trial._trial_id)))
    assert found == bars


def test_of_less_that_is_better_the_bar_is_the_greatest_that_passes() -> None:
    pruner = ArchitectureHalvingPruner(max_resource=27)
    study = optuna.create_study(direction="minimize", pruner=pruner)
    for value in (0.3, 0.2, 0.4):
        trial = study.ask()
        trial.report(value, 3)
    assert pruner.bar(study, study._storage.get_trial(trial._trial_id)) == Bar(3, 0.2, 1, 3)
    assert trial.should_prune()


@pytest.mark.parametrize("several", [False, True])
def test_the_ledger_keeps_what_a_stopped_trial_had_to_reach(tmp_path: Path, several: bool) -> None:
    objectives = (Objective("val/top1", True), *([Objective("num_params", False)] if several else []))
    parts: dict[str, Any] = {
        "sampler": {"_target_": "optuna.samplers.RandomSampler"},
        "pruner": {**TARGET, "families": None},
        "seed": 0,
        "objectives": Objectives(objectives),
    }
    ledger = Ledger.create(tmp_path, "search", BACKBONES, **parts)
    ledger.begin([], [Given({BACKBONE: "a"}, Origin.enqueued)] * 2)
    for value in (0.9, 0.8):
        number = ledger.ask().number
        ledger.describe(number, num_params=1)
        ledger.report(number, 3, value, {})
        ledger.tell(number, Outcome.stopped if ledger.should_prune(number, 3) else Outcome.complete)
    again = Ledger.open(tmp_path, "search", BACKBONES, **parts)
    assert [record.bar for record in again.records()] == [None, Bar(3, 0.9, 1, 2)]


@pytest.mark.parametrize("stored", [None, 3, {}, {"epoch": "x", "value": 0.5, "places": 1, "num_rivals": 2}])
def test_a_bar_that_is_none_of_ours_is_none(stored: object) -> None:
    trial = optuna.create_trial(value=0.5, user_attrs={"outcome": "complete", "bar": stored})
    assert to_record(trial).bar is None
