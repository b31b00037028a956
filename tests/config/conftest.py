"""Projects of a user's, whole and outside the checkout."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig

from sesemi_search.config.compose import Request, compose_config

ROOT = Path(__file__).parents[2]
TINY_MODEL = """\
# @package _global_
defaults:
  - /base/supervised/model
  - /base/supervised/data/mnist5k
  - /base/supervised/optimizer/sgd
  - /base/supervised/head/linear
run: {num_epochs: 2, id: small}
learner: {hparams: {model: {backbone: {_target_: sesemi_tutorials.models.LeNet5}}}}
"""


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    """Takes back what a project did to this process: its modules, its folder on the path, the finder of `sesemi`."""
    path, finders = list(sys.path), list(sys.meta_path)
    # Tests of other folders, which ran before, may have left theirs.
    sys.meta_path[:] = [
        finder for finder in finders if type(finder).__module__ != "sesemi_search.project.sesemi_modules"
    ]
    _forget_modules()
    yield
    sys.path[:], sys.meta_path[:] = path, finders
    _forget_modules()


def _forget_modules() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("sesemi", "sesemi_tutorials")]:
        del sys.modules[name]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the tutorial's project, with an experiment `small`."""
    root = tmp_path / "project"
    for part in ("configs", "src"):
        shutil.copytree(ROOT / "experiments" / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "configs" / "small.yaml").write_text(TINY_MODEL)
    (root / "search_spaces" / "space").mkdir(parents=True)
    return root


@pytest.fixture
def compose_train(project: Path) -> Callable[..., DictConfig]:
    """Composes an experiment of the project with overrides."""

    def compose(name: str, *overrides: str) -> DictConfig:
        request = Request(search=False, overrides=overrides, config_name=name, project=project)
        return compose_config(request).config

    return compose


@pytest.fixture
def compose_run(project: Path) -> Callable[..., DictConfig]:
    """Composes a search of a space with overrides."""

    def compose(space: str, *overrides: str) -> DictConfig:
        request = Request(search=True, overrides=[f"space={space}", *overrides], project=project)
        return compose_config(request).config

    return compose
