"""Which project a command belongs to, and which of two files of one name is used."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import (
    PROVENANCE,
    Project,
    find_project,
    list_options,
    project_path,
    resource_dirs,
)


def make_project(root: Path) -> Path:
    for part in ("configs", "src"):
        (root / part).mkdir(parents=True)
    return root


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory outside any project."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_without_a_project_there_is_none(home: Path) -> None:
    assert find_project(None, None) is None


def test_the_given_project_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near, given = make_project(home / "near"), make_project(home / "given")
    monkeypatch.chdir(near)
    assert find_project(Path("../given"), near / "configs") == Project(given)


def test_a_given_folder_that_is_no_project_is_a_mistake(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"--project: .*configs/ and src/"):
        find_project(home, None)


def test_the_nearest_parent_of_the_working_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(home / "outer")
    inner = make_project(home / "outer" / "data" / "inner")
    (inner / "src" / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(inner / "src" / "deep" / "down")
    assert find_project(None, None) == Project(inner)


def test_experiments_beside(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiments = make_project(home / "experiments")
    (home / "docs").mkdir()
    monkeypatch.chdir(home / "docs")
    assert find_project(None, None) == Project(experiments)


def test_the_project_of_the_given_config_comes_before_that_of_the_working_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = make_project(home / "here"), make_project(home / "there")
    monkeypatch.chdir(here)
    (there / "configs" / "sub").mkdir()
    assert find_project(None, there / "configs" / "sub") == Project(there)
    assert find_project(None, Path("../there/configs")) == Project(there)


def test_dots_in_a_path_do_not_lead_to_a_project_beside_it(home: Path) -> None:
    beside = make_project(home / "beside")
    (home / "out").mkdir()
    assert find_project(None, beside / ".." / "out") is None


def test_a_run_that_lies_elsewhere_remembers_its_project(home: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (home / "run" / "trials" / "0001").mkdir(parents=True)
    (home / "run" / PROVENANCE).write_text(json.dumps({"project": str(project)}))
    assert find_project(None, home / "run") == Project(project)
    assert find_project(None, home / "run" / "trials" / "0001") == Project(project)
    shutil.rmtree(project)
    assert find_project(None, home / "run") is None


@pytest.mark.parametrize("text", ["", "[]", '{"project": null}', '{"project": 3}', "{}", '{"project": ""}'])
def test_a_provenance_without_a_project_is_passed_over(home: Path, text: str) -> None:
    (home / PROVENANCE).write_text(text)
    assert find_project(None, home) is None


def test_relative_paths_start_at_the_project(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(make_project(tmp_path / "project"))
    assert project_path(project, "./data") == tmp_path / "project" / "data"
    assert project_path(project, "/data") == Path("/data")
    assert project_path(None, "data") == home / "data"
    monkeypatch.setenv("HOME", "/home/me")
    assert project_path(project, "~/data") == Path("/home/me/data")
    with pytest.raises(ConfigError, match="~no-such-user"):
        project_path(project, "~no-such-user/data")


def test_options_are_found_in_folders_too_and_the_first_folder_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for file in (first / "space/a.yaml", first / "space/sub/b.yaml", second / "space/a.yaml", second / "space/c.yaml"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (first / "space" / "d.yaml").mkdir()
    found = dict(list_options("space", [first, second]))
    assert sorted(found) == ["a", "c", "sub/b"]
    assert found["a"] == first / "space/a.yaml"


def test_a_file_of_the_user_wins_and_a_line_says_so(project: Path) -> None:
    (project / "configs" / "base" / "supervised" / "optimizer").mkdir(parents=True)
    mine = project / "configs" / "base" / "supervised" / "optimizer" / "sgd.yaml"
    mine.write_text("# @package _global_\nlearner: {hparams: {optimizer: {_target_: torch.optim.Adam, lr: 0.5}}}\n")
    composed = compose_config(Request(search=False, config_name="small", project=project))
    assert dict(composed.config.learner.hparams.optimizer) == {"_target_": "torch.optim.Adam", "lr": 0.5}
    assert composed.notes == [f"{mine} is used in place of our own base/supervised/optimizer/sgd.yaml"]


def test_a_file_of_the_given_folder_wins_over_the_project(project: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    (given / "data").mkdir(parents=True)
    (given / "data" / "mnist5k.yaml").write_text(
        "# @package _global_\ndefaults: [/base/supervised/data/mnist5k, _self_]\ndata: {val_size: 77}\n"
    )
    request = Request(search=False, overrides=["data=mnist5k"], config_name="small", config_dir=given, project=project)
    composed = compose_config(request)
    assert composed.config.data.val_size == 77
    assert composed.notes == [f"{given / 'data/mnist5k.yaml'} is used in place of our own data/mnist5k.yaml"]


def test_the_line_is_no_part_of_the_yaml_that_cfg_prints(
    project: Path, command: Callable[..., tuple[int, str]], capfd: pytest.CaptureFixture[str]
) -> None:
    from sesemi_search.commands.show_config import show_config

    (project / "configs" / "tracking").mkdir()
    shutil.copy(resource_dirs()[0] / "tracking" / "none.yaml", project / "configs" / "tracking" / "none.yaml")
    show_config(Request(search=False, config_name="small", project=project))
    captured = capfd.readouterr()
    assert "in place of our own" not in captured.out
    assert "in place of our own tracking/none.yaml" in captured.err


def test_the_project_is_found_from_inside_it_and_named_by_a_flag(
    project: Path, command: Callable[..., tuple[int, str]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "src" / "sesemi_tutorials")
    assert command("train", "-cn", "small", "--cfg", "job")[0] == 0
    monkeypatch.chdir(home)
    code, output = command("train", "-cn", "small", "--cfg", "job")
    assert (code, "there is no small.yaml" in output) == (2, True)
    assert command("train", "-cn", "small", "--cfg", "job", "--project", str(project))[0] == 0
    assert command("train", "-cn", "small", "--cfg", "job", "-cd", str(project / "configs"))[0] == 0
