"""What a search begins with: trials of earlier searches, the experiment's own config, configs to try first."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.errors import ConfigError
from sesemi_search.report.search_end import compare_with_baseline, describe_copies
from sesemi_search.report.trial_rows import TrialRow
from sesemi_search.search.directory import JOURNAL, trial_dir
from sesemi_search.search.initial.initial_trials import InitialTrials, plan_initial_trials
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.objectives import Objective, Objectives, parse_objectives
from sesemi_search.search.ledger.records import Given, Origin, Outcome, TrialRecord
from sesemi_search.search.plan import make_plan
from sesemi_search.search.preparation import prepare
from sesemi_search.search.result import SearchResult
from sesemi_search.search.stored_search import read_search
from sesemi_search.space.domains import Choice, Domain, Options
from sesemi_search.space.parse import parse_space
from sesemi_search.space.points import name_point
from sesemi_search.space.space import Space
from tests.processes import read_trials

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
HEAD, LR = "learner.hparams.model.head", "learner.hparams.optimizer.lr"
SCALED, LINEAR = "sesemi_search.models.heads.ScaledCosineHead", "sesemi_search.models.heads.LinearHead"
SPACE = Space(
    parse_space(
        {
            "lr": {"float": [0.001, 1], "log": True},
            "head": {"choice": {"a": {"_target_": "x.A"}, "b": {"_target_": "x.B", "scale": {"float": [1, 32]}}}},
            "width": {"int": [4, 64]},
        }
    )
)
GIVEN = [
    Given({"lr": 0.1, "head": "a", "width": 8}, Origin.baseline),
    Given({"head": "b", "head.b.scale": 4.0}, Origin.enqueued),
    Given({"width": 64}, Origin.enqueued),
]
SHIPPED = ("lenet_cosine", "heads", "backbones", "timm")
PARTS: dict[str, Any] = {
    "sampler": {"_target_": "optuna.samplers.TPESampler", "multivariate": True, "group": True, "n_startup_trials": 3},
    "pruner": {
        "_target_": "optuna.pruners.SuccessiveHalvingPruner",
        "min_resource": 1,
        "reduction_factor": 3,
        "min_early_stopping_rate": 0,
    },
    "seed": 1,
    "objectives": Objectives((Objective("val/top1", True),)),
}


def create(folder: Path, space: Space = SPACE) -> Ledger:
    folder.mkdir(exist_ok=True)
    return Ledger.create(folder, "study", space, **PARTS)


def reopen(folder: Path, space: Space = SPACE) -> Ledger:
    return Ledger.open(folder, "study", space, **PARTS)


def finish(ledger: Ledger, record: TrialRecord, outcome: Outcome = Outcome.complete) -> None:
    value = -abs(math.log10(record.params["lr"]) + 1)
    ledger.report(record.number, 1, value, {"val/top1": value})
    ledger.tell(record.number, outcome)


def copies(count: int) -> list[TrialRecord]:
    """Complete trials of another search, as a warm start has them."""
    return [
        TrialRecord(
            number=i,
            params={"lr": 0.01 * (i + 1), "head": "b", "head.b.scale": 1.0 + i, "width": 4 + i},
            values={1: 0.9 + 0.001 * i, 2: 0.95},
            metrics={1: {"val/top1": 0.9}, 2: {"val/top1": 0.95, "val/loss": None}},  # type: ignore[dict-item]
            outcome=Outcome.complete,
            origin=Origin.copied,
            copied_from=f"earlier/{i}",
        )
        for i in range(count)
    ]


# The ledger.


def test_the_first_trials_have_what_was_given_and_the_rest_of_it_is_sampled(tmp_path: Path) -> None:
    ledger = create(tmp_path)
    ledger.begin([], GIVEN)
    records = [ledger.ask() for _ in range(4)]
    assert records[0].params == GIVEN[0].params
    assert {**records[1].params, **GIVEN[1].params} == records[1].params
    assert records[2].params["width"] == 64
    assert all("lr" in record.params for record in records)
    assert [r.origin for r in records] == [Origin.baseline, Origin.enqueued, Origin.enqueued, Origin.sampled]


@pytest.mark.parametrize("num_copies", [0, 5])
def test_a_kill_between_two_given_trials_changes_nothing(tmp_path: Path, num_copies: int) -> None:
    def begin(name: str) -> Ledger:
        ledger = create(tmp_path / name)
        ledger.begin(copies(num_copies), GIVEN)
        return ledger

    undisturbed = begin("undisturbed")
    for _ in range(6):
        finish(undisturbed, undisturbed.ask())
    expected = [(r.number, r.params) for r in undisturbed.records()]
    ledger = begin("killed")
    for _ in range(6):
        finish(ledger, ledger.ask())
        ledger = reopen(tmp_path / "killed")
    assert [(r.number, r.params) for r in ledger.records()] == expected


def test_a_kill_at_any_write_of_a_given_trial_loses_no_parameter(tmp_path: Path) -> None:
    ledger = create(tmp_path)
    ledger.begin([], GIVEN[1:])
    journal = tmp_path / JOURNAL
    before = len(journal.read_bytes().splitlines())
    expected = ledger.ask().params
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in range(before + 1, len(lines)):
        journal.write_bytes(b"".join(lines[:kept]))
        again = reopen(tmp_path)
        unfinished = again.unfinished()
        record = again.adopt(unfinished[0])
        assert (record.number, record.params, record.origin) == (0, expected, Origin.enqueued)
        assert len(again) == 1


def test_copies_are_known_to_the_sampler_and_no_trials_of_the_search(tmp_path: Path) -> None:
    ledger = create(tmp_path)
    ledger.begin(copies(5), [])
    assert len(ledger) == 0
    assert (ledger.records(), ledger.best(), ledger.unfinished()) == ([], None, [])
    assert [r.copied_from for r in ledger.copied()] == [f"earlier/{i}" for i in range(5)]
    first = ledger.ask()
    assert (first.number, len(ledger)) == (5, 1)
    finish(ledger, first)
    assert [r.number for r in ledger.records()] == [5]
    best = ledger.best()
    assert best is not None
    assert best.number == 5, "a copy has a better value and is not the best of this search"
    cold = create(tmp_path / "cold")
    for _ in range(5):
        cold.tell(cold.ask().number, Outcome.error)  # of which a sampler learns nothing
    assert cold.ask().params != first.params, "TPE past its startup trials asks something else"


def test_plain_optuna_reads_copies_with_their_reports(tmp_path: Path) -> None:
    ledger = create(tmp_path)
    originals = [
        *copies(1),
        replace(copies(2)[1], outcome=Outcome.stopped),
        replace(copies(3)[2], outcome=Outcome.diverged, values={1: 0.5, 2: math.nan}, message="NaN"),
        replace(copies(4)[3], outcome=Outcome.infeasible, values={}, metrics={}),
    ]
    ledger.begin(originals, [])
    complete, stopped, diverged, infeasible = read_trials(tmp_path)
    assert (complete.state, complete.value, complete.intermediate_values) == (
        TrialState.COMPLETE,
        0.95,
        {1: 0.9, 2: 0.95},
    )
    assert (stopped.state, stopped.value) == (TrialState.PRUNED, 0.95)
    assert (diverged.state, diverged.value) == (TrialState.PRUNED, None)
    assert math.isnan(diverged.intermediate_values[2])
    assert (infeasible.state, infeasible.value, infeasible.intermediate_values) == (TrialState.PRUNED, None, {})
    assert complete.distributions["lr"] == optuna.distributions.FloatDistribution(0.001, 1, log=True)
    found = [replace(r, seconds=0.0) for r in ledger.copied()]
    assert repr(found) == repr(originals), "as text, for a NaN is not equal to itself"


def test_copies_are_no_rivals_on_the_rungs_of_successive_halving(tmp_path: Path) -> None:
    ledger = create(tmp_path)
    ledger.begin(copies(9), [])
    number = ledger.ask().number
    ledger.report(number, 1, 0.1, {})
    assert not ledger.should_prune(number, 1), "worse than all copies, and the first of its own search"


def test_the_baseline_runs_all_its_epochs_and_others_are_held_against_it(tmp_path: Path) -> None:
    ledger = create(tmp_path)
    ledger.begin([], GIVEN[:1])
    baseline, better, worse = (ledger.ask().number for _ in range(3))
    verdicts = []
    for number, value in ((better, 0.9), (baseline, 0.5), (worse, 0.4)):
        ledger.report(number, 1, value, {})
        verdicts.append(ledger.should_prune(number, 1))
    assert verdicts == [False, False, True]


def test_a_kill_in_the_middle_of_copying_doubles_and_loses_none(tmp_path: Path) -> None:
    ledger = create(tmp_path)
    journal = tmp_path / JOURNAL
    begun = len(journal.read_bytes().splitlines())
    ledger.begin(copies(4), GIVEN)
    lines = journal.read_bytes().splitlines(keepends=True)
    for kept in range(begun, len(lines)):
        journal.write_bytes(b"".join(lines[:kept]))
        again = reopen(tmp_path)
        assert not again.has_begun
        again.begin(copies(4), GIVEN)
        assert [r.copied_from for r in again.copied()] == [f"earlier/{i}" for i in range(4)]
        assert again.ask().params == GIVEN[0].params
    assert reopen(tmp_path).has_begun


def test_a_ledger_that_was_begun_without_it_stays_as_it_is(tmp_path: Path) -> None:
    finish(ledger := create(tmp_path), ledger.ask())
    assert reopen(tmp_path).has_begun


# Names and values of configs to try first.


def first_value(domain: Domain) -> Any:
    """A value that a domain holds."""
    match domain:
        case Options():
            return next(iter(domain.nodes))
        case Choice():
            return domain.values[0]
        case _:
            return domain.low


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"lr": 1, "scale": 2, "head": "b"}, {"lr": 1.0, "head.b.scale": 2.0, "head": "b"}),
        ({"b.scale": 2, "head": "b"}, {"head.b.scale": 2.0, "head": "b"}),
        ({"head.b.scale": 2, "head": "b"}, {"head.b.scale": 2.0, "head": "b"}),
        ({"width": 8.0}, {"width": 8}),
        ({}, {}),
    ],
)
def test_short_and_full_names_are_understood(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert name_point(SPACE, given, "search.enqueue.0") == expected


def test_every_name_of_the_tables_is_understood(project: Path) -> None:
    for name in SHIPPED:
        options = ["data.source.folder=x", "learner.hparams.num_classes=10"] if name == "timm" else []
        space = prepare(
            compose_config(Request(search=True, overrides=[f"space={name}", *options], project=project))
        ).space
        for dimension in space.dimensions:
            given = {**dimension.condition, space.short_names[dimension.name]: first_value(dimension.domain)}
            assert name_point(space, given, "k").keys() == {*dimension.condition, dimension.name}


@pytest.mark.parametrize("name", ["batch_size_per_device", "run.batch_size_per_device", "small.batch_size_per_device"])
def test_a_key_of_run_is_understood_by_either_name(name: str) -> None:
    small = {"batch_size_per_gpu": {"choice": [32, 64]}, "num_epochs": 3}
    plain, option = Space(parse_space({"run": small})), Space(parse_space({"run": {"choice": {"small": small}}}))
    given: dict[str, Any] = {name: 64}
    if name.startswith("small"):
        expected = {"run.small.batch_size_per_gpu": 64, "run": "small"}
        assert name_point(option, {**given, "run": "small"}, "k") == expected
    else:
        assert name_point(plain, given, "k") == {"run.batch_size_per_gpu": 64}
        with pytest.raises(ConfigError, match=f"k.{name}: got 64; is batch_size_per_gpu once more"):
            name_point(plain, {"batch_size_per_gpu": 32, **given}, "k")


def test_an_argument_of_ones_own_keeps_its_name() -> None:
    space = Space(parse_space({"run": {"batch_size_per_gpu": {"choice": [1, 2]}}, "x": {"devices": {"int": [1, 2]}}}))
    assert name_point(space, {"devices": 2}, "k") == {"x.devices": 2}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"b.scal": 2}, ["search.enqueue.0.b.scal", "it has lr, head, scale, width.", "Did you mean 'scale'?"]),
        ({"batch_size_per_device": 8}, ["search.enqueue.0.batch_size_per_device: got 8", "no such parameter"]),
        ({"widthh": 8}, ["search.enqueue.0.widthh", "Did you mean 'width'?"]),
        ({"width": 65}, ["search.enqueue.0.width: got 65", "[4, 64]"]),
        ({"width": True}, ["got True"]),
        ({"lr": math.nan}, ["got nan"]),
        ({"head": "c"}, ["got 'c'", "[a, b]"]),
        ({"scale": 2}, ["search.enqueue.0.scale", "argument of 'b'", "add head: b"]),
        ({"scale": 2, "head": "a"}, ["search.enqueue.0.scale", "argument of 'b'", "head: a"]),
        ({"lr": 9, "width": 9.5}, ["2 problems", "0.lr", "0.width"]),
    ],
)
def test_what_is_not_in_the_space_is_an_error_that_says_why(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        name_point(SPACE, given, "search.enqueue.0")
    for word in words:
        assert word in str(error.value)


# The plan: the baseline, and which trials of another search fit.


@pytest.fixture
def begin(project: Path, said: list[str]) -> Callable[..., tuple[InitialTrials, list[str]]]:
    """Prepares a search of `tiny`, without the check, and returns what it would begin with, and what it said."""

    def plan(*overrides: str, project: Path = project) -> tuple[InitialTrials, list[str]]:
        space = [] if any(o.startswith("space=") for o in overrides) else ["space=tiny"]
        said.clear()
        request = Request(search=True, overrides=[*space, *overrides], project=project)
        prepared = prepare(compose_config(request))
        search = prepared.settings.search
        initial = plan_initial_trials(search, parse_objectives(search), prepared.space, prepared.experiment)
        return initial, list(said)

    return plan


Begin = Callable[..., tuple[InitialTrials, list[str]]]


def test_the_tutorials_experiment_lies_in_its_space(begin: Begin) -> None:
    initial, _ = begin("space=lenet_cosine", project=EXPERIMENTS)
    model = "learner.hparams.model"
    assert [(dict(g.params), g.origin) for g in initial.given] == [
        (
            {
                f"{model}.backbone.out_features": 84,
                f"{model}.head": "cosine",
                LR: 0.1,
                "learner.hparams.optimizer.momentum": 0.9,
                "learner.hparams.optimizer.weight_decay": 5e-4,
                "run.batch_size_per_gpu": 128,
            },
            Origin.baseline,
        )
    ]


@pytest.mark.parametrize(
    ("overrides", "head"),
    [
        ([f"{HEAD}.dropout=0.25"], {HEAD: "linear", f"{HEAD}.linear.dropout": 0.25}),
        ([f"{HEAD}={{_target_: sesemi.models.heads.LinearHead}}"], {HEAD: "linear", f"{HEAD}.linear.dropout": 0.0}),
        (
            [f"{HEAD}.freeze=true", f"space.{HEAD}={{choice: {{a: {{_target_: {LINEAR}}}, "
             f"b: {{_target_: {LINEAR}, freeze: true}}}}}}"],
            {HEAD: "b"},
        ),
    ],
)  # fmt: skip
def test_the_baseline_finds_its_option(begin: Begin, overrides: list[str], head: dict[str, Any]) -> None:
    initial, _ = begin(*overrides)
    found = {name: value for name, value in initial.given[0].params.items() if name.startswith(HEAD)}
    assert found == head


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["learner.hparams.optimizer.lr=2"], "learner.hparams.optimizer.lr is 2 in the experiment, outside [0.01, 1]"),
        ([f"{HEAD}.dropout=0.9"], f"{HEAD}.dropout is 0.9 in the experiment, outside [0, 0.5]"),
        ([f"{HEAD}.freeze=true"], f"{HEAD}.freeze is True in the experiment and not set in a trial"),
        ([f"~space.{HEAD}.linear"], f"{HEAD} is {LINEAR} in the experiment, which is none of scaled"),
        (["space.run.seed=7"], "run.seed is 42 in the experiment and 7 in every trial"),
        (["space.run.seed=${run.num_epochs}"], "run.seed: was 42, is 3 in a trial"),
        (["space.learner.hparams.model.backbone={_target_: faulty.Slow}"], "faulty.Flat in the experiment"),
    ],
)
def test_an_experiment_outside_the_space_is_no_baseline_and_a_line_says_why(
    begin: Begin, overrides: list[str], reason: str
) -> None:
    initial, lines = begin(*overrides)
    assert initial.given == []
    assert [line for line in lines if line.startswith("no baseline: ") and reason in line], lines


def test_the_baseline_can_be_turned_off(begin: Begin) -> None:
    initial, lines = begin("search.baseline=false", "search.enqueue=[{lr: 0.2}]")
    assert initial.given == [Given({LR: 0.2}, Origin.enqueued)]
    assert not any("baseline" in line for line in lines)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("search.enqueue=[{lr: 0.1}, {lr: 7}]", ["search.enqueue.1.lr: got 7"]),
        (
            "search.enqueue=[{optimizer.lrr: 7}]",
            ["search.enqueue.0.optimizer.lrr", "Did you mean 'lr'? (command line)"],
        ),
        ("search.enqueue={lr: 0.1}", ["search.enqueue", "takes a list"]),
        ("search.enqueue=[{},{},{},{},{},{}]", ["6 configs and the experiment's own take 7 trials"]),
        ("search.warm_start=somewhere", ["search.warm_start", "takes a list"]),
        ("search.warm_start=[[a]]", ["search.warm_start: got [['a']]; it takes a list of search directories."]),
        ("search.warm_start=[somewhere]", ["search.warm_start", "somewhere holds no search"]),
    ],
)
def test_mistakes_are_found_before_the_start(project: Path, override: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        make_plan(compose_config(Request(search=True, overrides=["space=tiny", override], project=project)))
    for word in words:
        assert word in str(error.value)


def test_the_first_trials_of_a_search_are_the_baseline_and_the_enqueued(finished: SearchResult) -> None:
    baseline, enqueued = finished.records[:2]
    assert (baseline.number, baseline.origin, baseline.params[LR]) == (0, Origin.baseline, 0.1)
    assert (enqueued.origin, enqueued.params[LR]) == (Origin.enqueued, 0.9)
    assert {r.origin for r in finished.records[2:]} == {Origin.sampled}


def test_all_finished_trials_fit_a_wider_space(begin: Begin, finished: SearchResult) -> None:
    initial, lines = begin(
        f"search.warm_start=[{finished.directory}]",
        f"space.{LR}={{float: [0.001, 2], log: true}}",
        f"space.{HEAD}.choice.frozen={{_target_: {LINEAR}, freeze: true}}",
    )
    assert [(r.params, r.values, r.outcome) for r in initial.copies] == [
        (r.params, r.values, r.outcome) for r in finished.records
    ]
    assert f"warm start: 9 of 9 trials of {finished.directory} copied" in lines


@pytest.mark.parametrize(
    "override", ["num_workers=2", "prefetch_factor=5", "memory_share=0.1", "num_threads=2", "test_checkpoint=last"]
)
def test_where_and_on_what_a_trial_runs_keeps_none_out(begin: Begin, finished: SearchResult, override: str) -> None:
    initial, _ = begin(f"search.warm_start=[{finished.directory}]", f"run.{override}")
    assert len(initial.copies) == 9


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["run.num_epochs=4"], "run.num_epochs: was 3, is 4"),
        (["data.val_size=400"], "data.val_size: was 500, is 400"),
        (["space.run.seed=${run.num_epochs}"], "run.seed: was 42, is 3"),
        (["search.metric=val/loss", "search.mode=min"], "search.metric: was val/top1 (max)"),
        (
            ["space.learner.hparams.optimizer.momentum={float: [0.1, 1]}"],
            "learner.hparams.optimizer.momentum: has no value",
        ),
        (
            ["space.learner.hparams.model.backbone={_target_: faulty.Flat}"],
            "out_features: is no parameter of this space",
        ),
    ],
)
def test_trials_of_another_experiment_are_left_with_the_reason(
    begin: Begin, finished: SearchResult, overrides: list[str], reason: str
) -> None:
    initial, lines = begin(f"search.warm_start=[{finished.directory}]", *overrides)
    assert initial.copies == []
    assert f"warm start: 0 of 9 trials of {finished.directory} copied" in lines
    assert any(line.startswith("  9 left: ") and reason in line for line in lines), lines


def test_trials_outside_a_narrower_space_are_left_and_the_others_copied(begin: Begin, finished: SearchResult) -> None:
    narrow = f"space.{LR}={{float: [0.01, 0.5], log: true}}"
    initial, lines = begin(f"search.warm_start=[{finished.directory}]", narrow)
    inside = [r for r in finished.records if r.params[LR] <= 0.5]
    assert [r.params for r in initial.copies] == [r.params for r in inside]
    assert 0 < len(inside) < 9
    assert f"  {9 - len(inside)} left: {LR}: outside [0.01, 0.5]" in lines


def test_an_option_that_means_something_else_is_left(begin: Begin, finished: SearchResult) -> None:
    changed = f"space.{HEAD}.choice.scaled={{_target_: {SCALED}, learnable: true, scale: {{float: [1, 32]}}}}"
    initial, lines = begin(f"search.warm_start=[{finished.directory}]", changed)
    assert {r.params[HEAD] for r in initial.copies} == {"linear"}
    assert any(f"left: {HEAD}.learnable: is new, True" in line for line in lines), lines


def test_a_trial_is_copied_once(begin: Begin, finished: SearchResult) -> None:
    initial, lines = begin(f"search.warm_start=[{finished.directory},{finished.directory}]")
    assert len(initial.copies) == 9
    assert "  9 left: is copied already" in lines


@pytest.mark.slow
def test_a_warm_started_search_runs_all_its_trials_and_resumes(
    run_search: Callable[..., SearchResult],
    resume_search: Callable[..., SearchResult],
    begin: Begin,
    finished: SearchResult,
    tmp_path: Path,
) -> None:
    warm = f"search.warm_start=[{finished.directory}]"
    result = run_search(warm, "search.num_trials=3", "search.study=warm", f"space.{LR}={{float: [0.01, 2]}}")
    assert [r.number for r in result.records] == [9, 10, 11]
    assert result.records[0].origin is Origin.baseline
    assert len(result.copied) == 9
    assert result.best is not None
    assert result.best.number in (9, 10, 11)
    assert sorted(path.name for path in result.directory.joinpath("trials").iterdir()) == ["0009", "0010", "0011"]
    assert f"Trial {result.best.number:04d}" in (result.directory / "best.yaml").read_text()

    extended = resume_search(result.directory, "search.num_trials=4")
    assert [r.number for r in extended.records] == [9, 10, 11, 12]
    assert [r.copied_from for r in extended.copied] == [f"tiny-test/{i}" for i in range(9)]
    assert trial_dir(result.directory, 12).is_dir()
    assert len(read_trials(result.directory)) == 13
    assert {t.state.name for t in read_trials(result.directory)} <= {"COMPLETE", "PRUNED"}
    stored = read_search(result.directory)
    assert ([r.number for r in stored.records], len(stored.copied)) == ([9, 10, 11, 12], 9)

    again, _ = begin(f"search.warm_start=[{finished.directory},{result.directory}]", f"space.{LR}={{float: [0.01, 2]}}")
    origins = [f"tiny-test/{i}" for i in range(9)] + [f"warm/{i}" for i in (9, 10, 11, 12)]
    assert [r.copied_from for r in again.copies] == origins


@pytest.mark.slow
def test_resume_ends_a_copying_that_was_cut(
    run_search: Callable[..., SearchResult], resume_search: Callable[..., SearchResult], finished: SearchResult
) -> None:
    result = run_search(f"search.warm_start=[{finished.directory}]", "search.num_trials=1", "search.study=cut")
    journal = result.directory / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    third = [i for i, line in enumerate(lines) if json.loads(line)["op_code"] == 4][2]
    journal.write_bytes(b"".join(lines[: third + 1]))
    shutil.rmtree(result.directory / "trials")
    resumed = resume_search(result.directory)
    assert len(resumed.copied) == 9
    assert [(r.number, r.params, r.values) for r in resumed.records] == [
        (r.number, r.params, r.values) for r in result.records
    ]


# The report.


def row(number: int, value: float, outcome: Outcome = Outcome.complete, origin: Origin = Origin.sampled) -> TrialRow:
    return TrialRow(number, {}, value, 3, outcome.value, 1.0, origin=origin.value)


def test_the_report_says_by_how_much_the_baseline_was_beaten() -> None:
    own = row(0, 0.966, origin=Origin.baseline)
    best = row(5, 0.978)
    assert compare_with_baseline(best, [own, best]) == ", 0.0120 above the experiment's own config (trial 0)"
    assert compare_with_baseline(row(5, 0.95), [own]) == ", 0.0160 below the experiment's own config (trial 0)"
    assert compare_with_baseline(own, [own]) == ": the experiment's own config, which no trial beat"
    stopped = replace(own, outcome=Outcome.stopped.value)
    assert (
        compare_with_baseline(best, [stopped, best])
        == "; the experiment's own config (trial 0): stopped after 3 epochs at 0.9660"
    )
    assert compare_with_baseline(best, [best]) == ""


def test_the_report_counts_the_copies_of_each_search() -> None:
    assert describe_copies(copies(3)) == "3 trials copied from earlier"
    other = replace(copies(1)[0], copied_from="other/0")
    assert describe_copies([*copies(1), other]) == "1 trial copied from earlier, 1 trial copied from other"
