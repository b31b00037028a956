"""The wheel: what is in it, and that it works outside the checkout with the YAML it carries."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
YAML = sorted(
    f"sesemi_search/_resources/{file.relative_to(ROOT)}"
    for folder in ("configs", "search_spaces", "experiments/configs")
    for file in (ROOT / folder).rglob("*.yaml")
)
SOURCES = sorted(str(file.relative_to(ROOT)) for file in (ROOT / "sesemi_search").rglob("*.py"))
ASSETS = sorted(
    str(file.relative_to(ROOT)) for file in (ROOT / "sesemi_search/report/page/assets").rglob("*") if file.is_file()
)
TUTORIAL = ["sesemi_tutorials/__init__.py", "sesemi_tutorials/models.py"]
EXPERIMENT = """\
defaults:
  - /base/supervised/model
  - /base/supervised/data/mnist5k
  - /base/supervised/optimizer/sgd
  - /base/supervised/head/linear
run: {num_epochs: 1}
learner: {hparams: {model: {backbone: {_target_: own.Flat}}}}
"""
SPACE = """\
# @package _global_
defaults: [/flat, _self_]
search: {num_trials: 2, max_concurrent: 1}
space: {learner: {hparams: {optimizer: {lr: {float: [0.01, 0.1], log: true}}}}}
"""
CODE = """\
from torch import nn


class Flat(nn.Sequential):
    out_features = 192

    def __init__(self):
        super().__init__(nn.AvgPool2d(4), nn.Flatten())
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout. Only its build needs a package registry, for hatchling."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    command = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if "No matching distribution found for hatchling" in done.stderr:
        pytest.skip("no package registry to take hatchling from")
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH that holds what pip would have put into site-packages."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that uses our base configs and none of our experiments."""
    root = tmp_path / "project"
    files = {"configs/flat.yaml": EXPERIMENT, "search_spaces/space/flat.yaml": SPACE, "src/own.py": CODE}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def sesemi_search(installed: Path, cwd: Path, *argv: str) -> str:
    """Runs a command line from the unpacked wheel; gives what it printed."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "sesemi_search", *argv]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_library_its_yaml_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert sorted(names) == sorted([*SOURCES, *ASSETS, *YAML, *TUTORIAL, "sesemi_search/py.typed"])


def test_the_wheel_names_its_command_and_licence(installed: Path) -> None:
    (info,) = installed.glob("*.dist-info")
    assert "sesemi-search = sesemi_search.__main__:run_program" in (info / "entry_points.txt").read_text()
    assert (info / "licenses" / "LICENSE").is_file()
    metadata = (info / "METADATA").read_text()
    assert "Name: sesemi-search" in metadata
    assert "License-Expression: Apache-2.0" in metadata


def test_the_packaged_yaml_is_found(installed: Path, project: Path) -> None:
    script = "import sesemi_search.project.project as p; "
    script += "print(p.__file__, *p.resource_dirs(), p.tutorial_configs(), sep='\\n')"
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", script], cwd=project, env=environment, capture_output=True, text=True)
    module, *folders = done.stdout.splitlines()
    resources = installed / "sesemi_search" / "_resources"
    assert Path(module).is_relative_to(installed)
    assert folders == [str(resources / name) for name in ("configs", "search_spaces", "experiments/configs")]


def test_the_wheel_composes(installed: Path, project: Path) -> None:
    printed = sesemi_search(installed, project, "train", "--config-name", "flat", "data=mnist", "--cfg", "job")
    assert yaml.safe_load(printed)["data"]["source"] == {"_target_": "sesemi_search.data.sources.MNIST"}
    printed = sesemi_search(installed, project, "run", "space=flat", "search/pruner=median", "--cfg", "job")
    assert yaml.safe_load(printed)["search"]["pruner"]["_target_"] == "optuna.pruners.MedianPruner"


def test_the_wheel_searches_and_trains(installed: Path, project: Path, tmp_path: Path) -> None:
    found = tmp_path / "found"
    sesemi_search(installed, project, "run", "space=flat", "tracking=none", f"search.dir={found}")
    assert (found / "best.yaml").is_file()
    argv = ("train", "--config-dir", str(found), "--config-name", "best", "tracking=none")
    assert "test/top1" in sesemi_search(installed, tmp_path, *argv)


def test_the_first_command_works_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    printed = sesemi_search(installed, tmp_path, "run", "space=lenet_cosine", "search.num_trials=2", "run.num_epochs=1")
    assert "2 trials: 2 complete" in printed
    (best,) = tmp_path.glob("runs/lenet_cosine/*/best.yaml")
    argv = ("train", "--config-dir", str(best.parent), "--config-name", "best", "tracking=none")
    assert "test/top1" in sesemi_search(installed, tmp_path, *argv)
