"""A search that leaves out the branches that the check found bad."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.errors import ConfigError
from sesemi_search.search.ledger.records import Outcome, TrialRecord, TrialReport
from sesemi_search.search.plan import make_plan
from sesemi_search.search.result import SearchResult
from sesemi_search.search.resume import compose_resumed
from tests.search.told_search import metrics, open_session

RunSearch = Callable[..., SearchResult]
BACKBONE = "learner.hparams.model.backbone"
OVERRIDES = (
    f"space.{BACKBONE}={{choice: {{good: {{_target_: faulty.Flat}}, "
    "tuple: {_target_: faulty.bad_modules.TupleBackbone}}}",
    "search.skip_bad_branches=true",
    "search.max_concurrent=1",
    "search/sampler=random",
    "search/pruner=none",
    "run.num_epochs=1",
)


def assert_bad_ones_were_left_out(records: list[TrialRecord], directory: Path, num_trials: int) -> None:
    chosen = [record.params[BACKBONE] for record in records]
    assert set(chosen) == {"good", "tuple"}
    for record, backbone in zip(records, chosen, strict=True):
        if backbone == "tuple":
            assert record.outcome is Outcome.infeasible
            assert "search.skip_bad_branches" in record.message
            assert "TupleBackbone says out_features = 192 and gives a tuple" in record.message
            assert not (directory / "trials" / f"{record.number:04d}").exists()
        else:
            assert record.outcome is Outcome.complete
    assert chosen.count("good") == num_trials


def sit(project: Path, directory: Path, num_trials: int) -> list[TrialRecord]:
    """Runs a sitting of the session without Ray: every trial that begins is told to be complete."""
    session, ledger = open_session(project, directory, *OVERRIDES, f"search.num_trials={num_trials}")
    while isinstance(number := session.next_trial(), int):
        session.trial_ended(TrialReport(number, 1, metrics(0.5), Outcome.complete))
    return ledger.records()


def test_trials_of_bad_branches_are_infeasible_and_not_counted_in_either_sitting(project: Path, tmp_path: Path) -> None:
    directory = tmp_path / "search"
    first = sit(project, directory, 4)
    assert_bad_ones_were_left_out(first, directory, 4)
    both = sit(project, directory, 8)
    assert_bad_ones_were_left_out(both, directory, 8)
    assert [r.params for r in both[: len(first)]] == [r.params for r in first]


def test_a_resumed_search_leaves_the_same_branches_out(project: Path, tmp_path: Path, said: list[str]) -> None:
    sit(project, tmp_path / "search", 1)
    said.clear()
    plan = make_plan(
        compose_resumed(Request(search=True, overrides=[str(tmp_path / "search")], project=project)), resume=True
    )
    assert any("2 of 4 branches are left out (search.skip_bad_branches)" in line for line in said)
    assert any("TupleBackbone says out_features" in line for line in said)
    with pytest.raises(ConfigError, match="TupleBackbone"):
        plan.excluded.refuse({BACKBONE: "tuple"})
    plan.excluded.refuse({BACKBONE: "good"})


def test_an_option_whose_module_is_not_there_is_left_out_like_others(
    project: Path, tmp_path: Path, said: list[str]
) -> None:
    options = "{good: {_target_: faulty.Flat}, tuple: {_target_: fautly.Flat, out_features: {int: [4, 8]}}}"
    overrides = [*OVERRIDES, f"space.{BACKBONE}={{choice: {options}}}", "search.num_trials=4"]
    request = Request(search=True, overrides=["space=tiny", *overrides], project=project)
    make_plan(compose_config(request))
    (line,) = [line for line in said if "'fautly.Flat' cannot be imported" in line]
    assert line.startswith(f"- space.{BACKBONE}.choice.tuple._target_: ")
    assert line.endswith(" (command line)")
    request = Request(search=True, overrides=[*request.overrides, "search.skip_bad_branches=false"], project=project)
    with pytest.raises(ConfigError, match=r"'fautly.Flat' cannot be .*search.skip_bad_branches=true searches those"):
        make_plan(compose_config(request))
    session, ledger = open_session(project, tmp_path / "search", *overrides)
    while isinstance(number := session.next_trial(), int):
        session.trial_ended(TrialReport(number, 1, metrics(0.5), Outcome.complete))
    outcomes = {(record.params[BACKBONE], record.outcome) for record in ledger.records()}
    assert outcomes == {("good", Outcome.complete), ("tuple", Outcome.infeasible)}


def test_a_search_over_bad_branches_alone_does_not_start(project: Path, said: list[str]) -> None:
    only = f"space.{BACKBONE}={{_target_: faulty.bad_modules.TupleBackbone}}"
    composed = compose_config(Request(search=True, overrides=["space=tiny", *OVERRIDES, only], project=project))
    with pytest.raises(ValueError, match="TupleBackbone"):
        make_plan(composed)
    assert not [line for line in said if line.startswith(("data:", "- "))], "it went on before it was refused"


@pytest.mark.slow
def test_a_real_search_trains_the_good_branches_alone(
    run_search: RunSearch, resume_search: RunSearch, tmp_path: Path
) -> None:
    directory = tmp_path / "search"
    result = run_search(*OVERRIDES, "search.num_trials=4", directory=directory)
    assert_bad_ones_were_left_out(result.records, directory, 4)
    result = resume_search(directory, "search.num_trials=8")
    assert_bad_ones_were_left_out(result.records, directory, 8)
