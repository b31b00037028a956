import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.search.plan import make_plan
from sesemi_search.search.ray_tune.driver import search
from sesemi_search.search.result import SearchResult
from sesemi_search.search.resume import compose_resumed
from sesemi_search.tracking.tracker import Tracker, Trackers
from tests.search.recorder import Recorder
from tests.search.told_search import tell_search

PROJECT = Path(__file__).parents[1] / "project"


def copy_project(folder: Path) -> Path:
    """Copies the test project into a folder."""
    root = folder / "project"
    shutil.copytree(PROJECT, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def search_tiny(project: Path, directory: Path, *overrides: str, tracker: Tracker | None = None) -> SearchResult:
    """Searches the space `tiny`, with overrides, in this process, which is in a Ray."""
    request = Request(search=True, overrides=["space=tiny", "search.study=tiny-test", *overrides], project=project)
    return search(make_plan(compose_config(request)), directory, [], lambda *_: tracker or Trackers([]))


def go_on(directory: Path, *overrides: str, tracker: Tracker | None = None) -> SearchResult:
    """Goes on with a search in this process, which is in a Ray."""
    plan = make_plan(compose_resumed(Request(search=True, overrides=[str(directory), *overrides])), resume=True)
    return search(plan, directory, [], lambda *_: tracker or Trackers([]), resume=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the test project, in a folder of its own."""
    return copy_project(tmp_path)


@pytest.fixture
def run_search(ray: None, project: Path, tmp_path: Path) -> Callable[..., SearchResult]:
    """Runs the space `tiny`, with overrides, in this process."""

    def run(*overrides: str, directory: Path = tmp_path / "search", tracker: Tracker | None = None) -> SearchResult:
        return search_tiny(project, directory, *overrides, tracker=tracker)

    return run


@pytest.fixture
def resume_search(ray: None) -> Callable[..., SearchResult]:
    """Goes on with a search, in this process."""

    return go_on


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a search with a trial of each outcome, as `tell_search` leaves it; to copy, not to change."""
    folder = tmp_path_factory.mktemp("told")
    tell_search(copy_project(folder), folder / "search")
    return folder / "search"


@pytest.fixture(scope="session")
def recorder() -> Recorder:
    """What the tracker of `finished` was told."""
    return Recorder()


@pytest.fixture(scope="session")
def finished(ray: None, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A search of nine trials, the experiment's own config and one to try first; to look at, not to change."""
    folder = tmp_path_factory.mktemp("finished")
    overrides = ("search.num_trials=9", "search.enqueue=[{lr: 0.9, head: scaled, scale: 30, out_features: 5}]")
    return search_tiny(copy_project(folder), folder / "search", *overrides, tracker=recorder)


@pytest.fixture
def finished_copy(finished: SearchResult, tmp_path: Path) -> Path:
    """The directory of that search, to change and to go on with."""
    return Path(shutil.copytree(finished.directory, tmp_path / "finished"))


@pytest.fixture(scope="session")
def extended(finished: SearchResult, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A moved copy of that search, with what killed writers leave, gone on with to ten trials."""
    moved = tmp_path_factory.mktemp("extended") / "another place" / "search"
    moved.parent.mkdir()
    Path(shutil.copytree(finished.directory, moved.parents[1] / "search")).rename(moved)
    for torn in ("best.yaml", "trials/0001/config.yaml"):  # as a driver leaves it that is killed while it writes
        (moved / torn).with_name(f".{Path(torn).name}.123.abc.tmp").write_text("run")
    return go_on(moved, "search.num_trials=10")


@pytest.fixture(scope="session")
def troubled(ray: None, tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A search of four trials, one at a time: one raises after it has printed, one diverges, two are well."""
    folder = tmp_path_factory.mktemp("troubled")
    backbones = ("raises: {_target_: faulty.PrintsAndRaises}", "diverges: {_target_: faulty.Diverges}")
    kinds = ("raises", "diverges", "good", "good")
    overrides = (
        f"space.learner.hparams.model.backbone={{choice: {{{', '.join(backbones)}, good: {{_target_: faulty.Flat}}}}}}",
        f"search.enqueue=[{', '.join(f'{{backbone: {kind}, lr: 0.1}}' for kind in kinds)}]",
        *("search.baseline=false", "search.num_trials=4", "search.max_concurrent=1", "search/pruner=none"),
    )
    return search_tiny(copy_project(folder), folder / "search", *overrides)
