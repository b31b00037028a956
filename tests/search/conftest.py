import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.search.plan import make_plan
from sesemi_search.search.ray_tune.cluster import connect
from sesemi_search.search.ray_tune.driver import search
from sesemi_search.search.result import SearchResult
from sesemi_search.search.resume import resume_plan
from sesemi_search.tracking.tracker import Tracker, Trackers

PROJECT = Path(__file__).parents[1] / "project"


@pytest.fixture(scope="session")
def ray() -> Iterator[None]:
    """One Ray for all tests of this session; a search uses the one that its process is in."""
    with connect("local", None):
        yield


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the test project, in a folder of its own."""
    root = tmp_path / "project"
    shutil.copytree(PROJECT, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture
def run_search(ray: None, project: Path, tmp_path: Path) -> Callable[..., SearchResult]:
    """Runs the space `tiny`, with overrides, in this process."""

    def run(*overrides: str, directory: Path = tmp_path / "search", tracker: Tracker | None = None) -> SearchResult:
        request = Request(search=True, overrides=["space=tiny", "search.study=tiny-test", *overrides], project=project)
        plan = make_plan(compose_config(request))
        return search(plan, directory, [], lambda earlier: tracker or Trackers([]))

    return run


@pytest.fixture
def resume_search(ray: None) -> Callable[..., SearchResult]:
    """Goes on with a search, in this process."""

    def resume(directory: Path, *overrides: str, tracker: Tracker | None = None) -> SearchResult:
        plan = resume_plan(Request(search=True, overrides=[str(directory), *overrides]))
        return search(plan, directory, [], lambda earlier: tracker or Trackers([]), resume=True)

    return resume
