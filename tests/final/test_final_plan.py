"""The plan of a final run, and its rounds, on the ledger of a search that was told what its trials came to."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.cli import main
from sesemi_search.config.compose import Request
from sesemi_search.data import ImageSplit
from sesemi_search.errors import ConfigError
from sesemi_search.final.candidates import BASELINE
from sesemi_search.final.confirm import next_runs
from sesemi_search.final.final_plan import FinalPlan, plan_final
from sesemi_search.final.phases import plan_confirm, plan_training, read_configs, score_table
from sesemi_search.final.result import FinalRun
from sesemi_search.search.directory import lock_directory
from sesemi_search.search.initial.baseline import find_baseline
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.ledger.records import Given, Origin, Outcome, TrialReport
from sesemi_search.search.open_ledger import begin_ledger, resume_ledger
from sesemi_search.search.plan import Plan, load_data
from sesemi_search.search.session import Next, Session
from sesemi_search.search.stopping import Budget
from sesemi_search.search.stored_search import read_search
from sesemi_search.search.watchdog import Watchdog
from sesemi_search.tracking.tracker import Trackers
from tests.search.conftest import copy_project
from tests.search.told_search import metrics, open_session

VALUES = (0.90, 0.95, 0.97, 0.93, 0.96)  # of which trial 0 is the experiment's own config
STOPPED = 5


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of five complete trials and one that was stopped; to copy, not to change."""
    folder = tmp_path_factory.mktemp("told")
    overrides = ("search.baseline=true", "search.num_trials=6", "search/pruner=none", "search/sampler=random")
    session, ledger = open_session(copy_project(folder), folder / "search", *overrides)
    stored = read_search(folder / "search")
    ledger.begin((), [Given(find_baseline(stored.space, stored.experiment), Origin.baseline)])
    for number, value in enumerate(VALUES):
        assert session.next_trial() == number
        for epoch in (1, 2):
            session.epoch_ended(TrialReport(number, epoch, metrics(value / 2)))
        session.trial_ended(TrialReport(number, 3, metrics(value), Outcome.complete))
    assert session.next_trial() == STOPPED
    session.trial_ended(TrialReport(STOPPED, 1, metrics(0.99), Outcome.stopped))
    return folder


@pytest.fixture
def directory(told: Path, tmp_path: Path) -> Path:
    """A copy of that search, inside a copy of its project."""
    shutil.copytree(told, tmp_path, dirs_exist_ok=True)
    return tmp_path / "search"


@pytest.fixture
def plan(directory: Path) -> Callable[..., FinalPlan]:
    def make(*overrides: str, again: bool = False) -> FinalPlan:
        request = Request(search=True, overrides=[str(directory), *overrides], project=directory.parent / "project")
        made = plan_final(request, again)
        assert isinstance(made, FinalPlan)
        return made

    return make


def test_the_best_trials_and_the_experiments_own_config_are_the_candidates(plan: Callable[..., FinalPlan]) -> None:
    candidates = plan("final.top_k=3").candidates
    assert [c.name for c in candidates] == ["trial 2", "trial 4", "trial 1", BASELINE]
    assert [c.reported for c in candidates] == [0.97, 0.96, 0.95, 0.90]
    assert [c.is_baseline for c in candidates] == [False, False, False, True]
    assert all(c.num_params for c in candidates)


def test_the_searchs_own_number_is_none_of_what_is_trained_otherwise(plan: Callable[..., FinalPlan]) -> None:
    made = plan("run.num_epochs=7", "final.top_k=2")
    assert [each.reported for each in made.candidates] == [None] * 3


@pytest.mark.parametrize("failing", [2, 3, 4])
def test_the_rounds_that_follow_a_late_failure_have_room(plan: Callable[..., FinalPlan], failing: int) -> None:
    made = plan()
    confirm = plan_confirm(made.setup, made.configs, made.candidates, made.seeds, begin_confirm_data(made))
    results: dict[str, list[float]] = {each.name: [] for each in made.candidates}
    num_runs = 0
    while due := next_runs(made.candidates, results, len(made.seeds)):
        for name, number in due:
            fails = name == "trial 2" and number == failing
            results[name].append(float("nan") if fails else 0.9 - 0.01 * list(results).index(name))
            num_runs += 1
    assert num_runs <= confirm.settings.search.num_trials


def test_a_part_of_a_final_run_has_none_of_its_own(plan: Callable[..., FinalPlan]) -> None:
    made = plan("final.top_k=1")
    begin_confirm(made)
    with pytest.raises(ConfigError, match="is a part of a final run"):
        plan_final(Request(search=True, overrides=[str(made.confirm_folder)]))


def test_again_goes_on_with_what_it_began(plan: Callable[..., FinalPlan], directory: Path) -> None:
    (directory / "final").mkdir()
    (directory / "final-2").mkdir()
    assert plan(again=True).folder == directory / "final-2"
    assert plan("run.num_epochs=7", again=True).folder == directory / "final-3"


def test_a_trial_that_is_asked_for_is_the_only_candidate_beside_it(plan: Callable[..., FinalPlan]) -> None:
    made = plan(f"trial={STOPPED}")
    assert [c.name for c in made.candidates] == ["trial 5", BASELINE]
    assert made.candidates[0].reported is None, "the last value of a stopped trial compares with nothing"
    assert made.chosen == "trial 5"


def test_an_override_is_in_every_candidate_and_what_it_makes_equal_is_one(plan: Callable[..., FinalPlan]) -> None:
    made = plan("run.num_epochs=7", "final.top_k=2")
    assert {config["run"]["num_epochs"] for config in made.configs.values()} == {7}
    model = "learner.hparams.model"
    head = f"{model}.head={{_target_: sesemi_search.models.heads.LinearHead, dropout: 0.0}}"
    equal = plan(
        "final.top_k=2",
        head,
        f"{model}.head.dropout=0.0",
        f"{model}.backbone.out_features=9",
        "learner.hparams.optimizer.lr=1",
    )
    assert list(equal.configs) == ["trial 2"]


def test_seeds_are_none_of_the_searchs_and_others_in_another_attempt(
    plan: Callable[..., FinalPlan], directory: Path
) -> None:
    first = plan("final.top_k=1", "final.num_models=2")
    assert 42 not in (*first.seeds, *first.training_seeds)
    assert len({*first.seeds, *first.training_seeds}) == 7
    (directory / "final").mkdir()
    second = plan("final.top_k=1", "final.num_models=2", again=True)  # with settings, so beside what is unfinished
    assert second.folder == directory / "final-2"
    assert not {*first.seeds, *first.training_seeds} & {*second.seeds, *second.training_seeds}


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("trial=99", "trial: got 99;"),
        ("final.num_seeds=1", "final.num_seeds: got 1; it takes a whole number, at least 2"),
        ("final.topk=2", "final.topk"),
        ("run.num_epochs=0", "run.num_epochs: got 0"),
        ("search.metric=val/loss", "search.metric: cannot change any more"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    plan: Callable[..., FinalPlan], directory: Path, override: str, text: str
) -> None:
    with pytest.raises(ConfigError, match=text.replace(".", r"\.")):
        plan(override)
    assert not (directory / "final").exists()


def test_a_search_that_runs_has_no_final_run_yet(plan: Callable[..., FinalPlan], directory: Path) -> None:
    with lock_directory(directory), pytest.raises(ConfigError, match="is in use by process"):
        plan()


def test_a_dry_run_tells_the_cost_and_writes_nothing(
    directory: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory.parent / "project")
    assert main(["final", str(directory), "--dry-run", "final.top_k=2"]) == 0
    output = capfd.readouterr().out
    assert "trial 2: " in output
    assert "confirm: at most 15 trainings of 3 epochs, over 5 seeds" in output
    assert "final: 1 model on train + validation" in output
    assert not (directory / "final").exists()


def begin_confirm_data(made: FinalPlan) -> dict[str, ImageSplit]:
    return load_data(made.setup.typed(next(iter(made.configs.values()))))


def begin_confirm(made: FinalPlan) -> None:
    data = begin_confirm_data(made)
    made.confirm_folder.mkdir(parents=True)
    begin_ledger(plan_confirm(made.setup, made.configs, made.candidates, made.seeds, data), made.confirm_folder, [])


def test_a_final_run_that_is_over_is_told_and_another_takes_again(
    plan: Callable[..., FinalPlan], directory: Path, said: list[str]
) -> None:
    folder = directory / "final"
    begin_confirm(plan("final.top_k=1"))
    said.clear()
    test = {"top1": 0.9, "interval": [0.88, 0.92], "num_images": 500}
    content = {"winner": "trial 2", "verdict": {"sentences": ["so"]}, "test": test, "opened": "2026-01-01T00:00:00"}
    (folder / "metrics.json").write_text(json.dumps(content))
    for same in ((), ("tracking=none", "final.top_k=1")):
        there = plan_final(
            Request(search=True, overrides=[str(directory), *same], project=folder.parents[1] / "project")
        )
        assert isinstance(there, FinalRun)
        assert there.winner == "trial 2"
    assert "the test split was opened on 2026-01-01T00:00:00" in said[-1]
    assert "--again" in said[-1]
    with pytest.raises(ConfigError, match="was begun with other configs; the test split was opened on 2026"):
        plan("run.num_epochs=5")
    assert plan("run.num_epochs=5", "final.top_k=1", again=True).folder == directory / "final-2"


def open_phase(plan: Plan, directory: Path, ledger: Ledger) -> Session:
    search = plan.settings.search
    return Session(
        ledger,
        plan.space,
        plan.experiment,
        plan.resolve,
        directory,
        Trackers([]),
        plan.architectures,
        limits=search.constraints,
        num_trials=search.num_trials,
        max_concurrent=3,
        max_attempts=2,
        keep_checkpoints=0,
        budget=Budget(None, None, 1, "core"),
        watchdog=Watchdog(None, 60),
        excluded=plan.excluded,
        phase=plan.phase,
    )


def test_confirm_goes_on_after_a_kill_and_no_run_is_run_twice(plan: Callable[..., FinalPlan]) -> None:
    made = plan("final.top_k=3", "final.num_seeds=4")
    true = {"trial 2": 0.91, "trial 4": 0.95, "trial 1": 0.80, BASELINE: 0.85}
    data = load_data(made.setup.typed(next(iter(made.configs.values()))))
    made.folder.mkdir()
    made.confirm_folder.mkdir()
    sittings, ended = 0, 0
    while sittings < 50:
        # Each sitting is one driver, which tells what two trials came to and dies with others in its slots.
        confirm = plan_confirm(made.setup, made.configs, made.candidates, made.seeds, data)
        folder = made.confirm_folder
        ledger = resume_ledger(confirm, folder) if sittings else begin_ledger(confirm, folder, [])
        session = open_phase(confirm, made.confirm_folder, ledger)
        started = []
        while isinstance(number := session.next_trial(), int):
            started.append(number)
        if not started:
            assert number is Next.over
            break
        for number in started[:2]:
            params = ledger.record(number).params
            value = true[params["candidate"]] + 0.001 * (params["seed"] % 7)
            for epoch in (1, 2):
                session.epoch_ended(TrialReport(number, epoch, metrics(value)))
            session.trial_ended(TrialReport(number, 3, metrics(value), Outcome.complete))
            ended += 1
        sittings += 1
    records = ledger.records()
    assert len(records) == ended
    pairs = [(record.params["candidate"], record.params["seed"]) for record in records]
    assert len(set(pairs)) == len(pairs)
    results = score_table(records, list(made.configs), made.seeds)
    assert all(None not in results[name] for name in ("trial 2", "trial 4", BASELINE))
    assert results["trial 1"][-1] is None, "the clearly worse does not get all seeds"
    assert read_configs(made.confirm_folder) == made.configs
    config = (made.confirm_folder / "trials" / "0000" / "config.yaml").read_text()
    assert f"seed: {made.seeds[0]}" in config


def test_a_final_run_goes_on_as_it_began(plan: Callable[..., FinalPlan], directory: Path) -> None:
    made = plan("final.top_k=1", "run.num_epochs=4")
    begin_confirm(made)
    for same in ((), ("final.top_k=1", "run.num_epochs=4")):
        again = plan(*same)
        assert (again.configs, again.seeds, again.candidates) == (made.configs, made.seeds, made.candidates)
    with pytest.raises(ConfigError, match="was begun with other configs"):
        plan("run.num_epochs=5")
    with pytest.raises(ConfigError, match=r"was begun with \{.*'num_seeds': 5"):
        plan("final.num_seeds=9")


def test_a_final_training_has_a_model_for_each_seed_and_no_validation(plan: Callable[..., FinalPlan]) -> None:
    made = plan("final.top_k=1", "final.num_models=2")
    name, config = next(iter(made.configs.items()))
    data = load_data(made.setup.typed(config))
    training = plan_training(made.setup, name, config, made.training_seeds, {"train": data["train"]})
    made.models_folder.mkdir(parents=True)
    ledger = begin_ledger(training, made.models_folder, [])
    session = open_phase(training, made.models_folder, ledger)
    assert [session.next_trial(), session.next_trial(), session.next_trial()] == [0, 1, Next.wait]
    assert [record.params["seed"] for record in ledger.records()] == made.training_seeds
