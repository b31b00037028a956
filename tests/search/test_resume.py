"""What resume shows, refuses and does."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import yaml

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import Project
from sesemi_search.search.directory import trial_dir
from sesemi_search.search.ledger.journal import open_storage
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.open_ledger import begin_ledger
from sesemi_search.search.plan import make_plan
from sesemi_search.search.result import SearchResult
from sesemi_search.search.resume import describe_resume, find_drift
from sesemi_search.search.stopping import StopKind

RunSearch = Callable[..., SearchResult]
BACKBONE = "space.learner.hparams.model.backbone"
SHORT = ["search.num_trials=2", "run.num_epochs=1"]


def files(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def test_a_broken_module_stops_the_search_after_a_few_trials_and_resume_goes_on(
    run_search: RunSearch, resume_search: RunSearch, project: Path
) -> None:
    result = run_search(f"{BACKBONE}={{_target_: faulty.RaisesInEpoch2}}", "search.num_trials=20", "search/pruner=none")
    assert result.stop is not None
    assert result.stop.kind is StopKind.error
    assert "this backbone does not like its second epoch" in result.stop.text
    errors = [r for r in result.records if r.outcome is Outcome.error]
    assert 3 <= len(errors) <= 4  # one more may have been in the other slot
    assert len(result.records) <= 5
    assert {r.outcome for r in result.records} <= {Outcome.error, Outcome.interrupted}


@pytest.mark.slow
def test_a_spent_compute_budget_ends_the_search_in_order_and_a_raised_one_goes_on(
    run_search: RunSearch, resume_search: RunSearch
) -> None:
    result = run_search("search.num_trials=12", "search.compute_budget=0.00001", "search/pruner=none")
    assert result.stop is not None
    assert "search.compute_budget" in result.stop.text
    assert len(result.records) < 12
    assert not any(r.outcome is Outcome.running for r in result.records)
    again = resume_search(result.directory)
    assert again.stop is not None
    assert [r.values for r in again.records] == [r.values for r in result.records]
    end = resume_search(result.directory, "search.compute_budget=10", "search.num_trials=4")
    assert end.stop is None
    assert {r.outcome for r in end.records} == {Outcome.complete}


def test_a_spent_time_budget_ends_the_search(run_search: RunSearch) -> None:
    result = run_search("search.num_trials=500", "search.max_concurrent=1", "search.time_budget=1s")
    assert result.stop is not None
    assert "search.time_budget" in result.stop.text
    assert len(result.records) < 500


def test_a_dry_run_tells_and_writes_nothing(told: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(told, tmp_path / "search"))
    (trial_dir(directory, 5) / "checkpoint.pt").touch()
    before = files(directory)
    lines = describe_resume(Request(search=True, overrides=[str(directory), "search.num_trials=30"]))
    assert files(directory) == before
    assert "trial 4 would go on from the beginning, after epoch 1 (its driver died)" in lines
    assert "trial 5 would go on from its checkpoint, after epoch 1" in lines
    assert any(line.startswith("24 new trials would be asked for") for line in lines)


def test_an_edited_search_yaml_is_refused_with_the_key(finished_copy: Path, resume_search: RunSearch) -> None:
    path = finished_copy / "search.yaml"
    config = yaml.safe_load(path.read_text())
    config["learner"]["hparams"]["optimizer"]["momentum"] = 0.5
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"learner\.hparams\.optimizer\.momentum: was 0\.9, is 0\.5"):
        resume_search(finished_copy, "search.num_trials=10")


@pytest.mark.parametrize("override", ["search.metric=val/loss", "search.mode=min", "run.num_epochs=9", "search.seed=3"])
def test_what_would_make_trials_incomparable_cannot_change(
    resume_search: RunSearch, override: str, tmp_path: Path
) -> None:
    directory = tmp_path / "any"
    directory.mkdir()
    shutil.copy(Path(__file__).parent / "data" / "search.yaml", directory)
    with pytest.raises(ConfigError, match="cannot change any more"):
        resume_search(directory, override)


@pytest.mark.parametrize(
    ("line", "override", "told"),
    [
        ("  num_epochs: many", "", "run.num_epochs: got 'many'; it takes a whole number, at least 1. (SEARCH, line 4)"),
        ("  num_epochs: 1", "search.seed=3", "search.seed: cannot change any more"),
        ("  num_epochs: 1", "search.num_trials=x", "search.num_trials: got 'x'; it takes a whole number, at least 1."),
    ],
)
@pytest.mark.parametrize("verb", [["resume"], ["resume", "--dry-run"]])
def test_a_mistake_has_its_line_of_search_yaml_or_is_of_the_command_line(
    line: str, override: str, told: str, verb: list[str], project: Path, command: Callable[..., tuple[int, str]]
) -> None:
    text = (Path(__file__).parent / "data" / "search.yaml").read_text()
    (project / "search.yaml").write_text(text.replace("  num_epochs: 1", line))
    optuna.create_study(storage=open_storage(project, None), study_name="tiny-20261124_160607-0c57")
    code, output = command(*verb, str(project), *([override] if override else []))
    assert code == 2
    assert told.replace("SEARCH", "search.yaml") in output
    if override:
        assert output.rstrip().endswith("(command line)")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", r"got 'nonsense'; it cannot be opened \(ArgumentError"),
        ("sqlite:////nowhere/study.db", r"got 'sqlite:////nowhere/study\.db'; .*unable to open database file"),
        ("redis://localhost", r"got 'redis://localhost'; .*removed"),
        ("postgresql://me:secret@localhost/x", r"got 'postgresql://\*\*\*@localhost/x'; .*cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_told_and_nothing_is_left(
    url: str, told: str, tmp_path: Path, command: Callable[..., tuple[int, str]]
) -> None:
    code, output = command(
        "run", "space=tiny", "tracking=none", f"search.storage={url}", f"search.dir={tmp_path}/search"
    )
    assert code == 2
    assert re.search(rf"^error: search\.storage: {told}", output, re.MULTILINE), output
    assert "secret" not in output
    assert not (tmp_path / "search").exists()


def test_what_a_check_finds_has_its_line_of_search_yaml(project: Path, command: Callable[..., tuple[int, str]]) -> None:
    text = (Path(__file__).parent / "data" / "search.yaml").read_text()
    (project / "search.yaml").write_text(text.replace("CrossEntropyLoss", "CrossEntropyLos"))
    code, output = command("resume", str(project))
    assert code == 2
    assert "learner.hparams.model.loss._target_: 'torch.nn.CrossEntropyLos' does not exist" in output
    assert output.rstrip().endswith("(search.yaml, line 42)")


def test_a_search_that_begins_loses_what_a_driver_left_that_was_killed_before(project: Path, tmp_path: Path) -> None:
    composed = compose_config(Request(search=True, overrides=["space=tiny"], project=project))
    directory = tmp_path / "search"
    directory.mkdir()
    for torn in (".search.yaml.123.abc.tmp", ".provenance.json.123.abc.tmp"):
        (directory / torn).write_text("run")
    (directory / ".mine.tmp").touch()
    begin_ledger(make_plan(composed), directory, [])
    assert [path.name for path in directory.glob(".*")] == [".mine.tmp"]


def test_a_moved_directory_resumes_and_loses_what_a_killed_writer_left(
    finished: SearchResult, extended: SearchResult
) -> None:
    moved = extended.directory
    assert not list(moved.rglob("*.tmp"))
    assert [r.params for r in extended.records[:9]] == [r.params for r in finished.records]
    assert (moved / "trials" / "0009" / "config.yaml").exists()
    assert [path.name for path in moved.parents[1].iterdir()] == [moved.parent.name], "nothing where it was before"


@pytest.mark.slow
def test_options_given_to_resume_stay(run_search: RunSearch, resume_search: RunSearch) -> None:
    directory = run_search(*SHORT).directory
    resume_search(directory, "search.num_trials=3", "search.max_concurrent=1")
    assert len(resume_search(directory).records) == 3
    assert yaml.safe_load((directory / "search.yaml").read_text())["search"]["max_concurrent"] == 1


@pytest.mark.slow
def test_changed_files_of_the_project_are_named(run_search: RunSearch, project: Path) -> None:
    directory = run_search(*SHORT).directory
    assert find_drift(directory, Project(project)) == []
    (project / "src" / "faulty" / "__init__.py").write_text("# changed\n")
    (project / "src" / "faulty" / "new.py").write_text("")
    (drift,) = find_drift(directory, Project(project))
    assert "src/faulty/__init__.py" in drift
    assert "src/faulty/new.py" in drift


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["journal", "journal's content", "study.journal's last lines"])
def test_a_driver_that_died_while_it_began_leaves_a_search_that_resumes(
    run_search: RunSearch, resume_search: RunSearch, lost: str
) -> None:
    directory = run_search(*SHORT, "search.num_trials=1").directory
    shutil.rmtree(directory / "trials")
    journal = directory / "study.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    if lost == "journal":
        journal.unlink()
    else:
        journal.write_bytes(b"" if "content" in lost else lines[0])
    result = resume_search(directory, "search.num_trials=2")
    assert [r.outcome for r in result.records] == [Outcome.complete] * 2


@pytest.mark.slow
def test_a_sample_that_cannot_be_built_is_infeasible_and_the_search_goes_on(run_search: RunSearch) -> None:
    result = run_search(f"{BACKBONE}={{_target_: faulty.Odd, width: {{int: [4, 12]}}}}", "run.num_epochs=1")
    infeasible = [r for r in result.records if r.outcome is Outcome.infeasible]
    assert infeasible
    assert all("width must be a multiple of 4" in r.message for r in infeasible)
    assert len(result.records) - len(infeasible) == 6
    assert result.best is not None
