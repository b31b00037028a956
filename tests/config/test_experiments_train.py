"""Every experiment that we ship, for one short epoch, through the verb; and again from what it leaves."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments" / "configs").rglob("*.yaml"))
LEFT = [
    *("README.md", "best.pt", "config.yaml", "driver.lock", "last.pt", "metrics.json"),
    *("model.json", "model.pt", "model.safetensors", "provenance.json"),
]
QUICK = ("tracking=none", "run.num_epochs=1")
Command = Callable[..., tuple[int, str]]


def run_dir(output: str) -> Path:
    """The folder that a run names in its last line."""
    return Path(output.strip().splitlines()[-1].removeprefix("run directory: "))


def numbers(folder: Path) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Every epoch of a run and its test score, without what no two runs have alike."""
    metrics = json.loads((folder / "metrics.json").read_text())
    *epochs, test = (
        {k: v for k, v in each.items() if k not in ("epoch_seconds", "openings_before")}
        for each in [*metrics["epochs"], metrics["test"]]
    )
    return epochs, test


@pytest.mark.parametrize("name", [file.stem for file in EXPERIMENTS])
def test_an_experiment_trains_and_trains_again_from_its_config(
    name: str, command: Command, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, output = command("train", "--config-name", name, *QUICK, "data=mnist5k")
    assert code == 0, output
    first = run_dir(output)
    assert first.parent == project / "runs" / name
    assert sorted(file.name for file in first.iterdir()) == LEFT
    assert yaml.safe_load((first / "config.yaml").read_text())["run"]["data_root"] == str(project / "data")

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    code, output = command("train", "--config-dir", str(first), "--config-name", "config", "tracking=none")
    assert code == 0, output
    second = run_dir(output)
    assert second != first
    assert second.parent == first.parent
    assert numbers(second) == numbers(first)
    assert not list(elsewhere.iterdir())


def test_a_run_elsewhere_remembers_its_project(
    command: Command, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / "far" / "away"
    code, output = command("train", "-cn", "mnist_lenet5_cosine", *QUICK, "data=mnist5k", f"run.dir={far}")
    assert code == 0, output
    first = run_dir(output)
    assert far in first.parents
    assert json.loads((first / "provenance.json").read_text())["project"] == str(project)
    monkeypatch.chdir(tmp_path)
    code, output = command("train", "-cd", str(first), "-cn", "config", *QUICK, "data.val_size=400")
    assert code == 0, output
    assert yaml.safe_load((run_dir(output) / "config.yaml").read_text())["data"]["val_size"] == 400


def test_weights_to_begin_with_are_named_from_here_and_found_from_anywhere(
    command: Command, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_dir(command("train", "-cn", "mnist_lenet5_cosine", *QUICK, "data=mnist5k")[1])
    weights = (first / "model.pt").relative_to(project)
    begin = f"run.pretrained_checkpoint_path={weights}"
    code, output = command("train", "-cn", "mnist_lenet5_cosine", *QUICK, "data=mnist5k", begin)
    assert code == 0, output
    second = run_dir(output)
    monkeypatch.chdir(tmp_path)
    code, output = command("train", "-cd", str(second), "-cn", "config", *QUICK)
    assert code == 0, output
    assert numbers(run_dir(output)) == numbers(second)


@pytest.mark.parametrize("name", ["o'clock, a=b", "grüße-数字 [red] $HOME :smile:"])
def test_a_run_in_a_folder_of_any_name_trains_again(
    name: str, command: Command, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / name
    project.rename(root)
    monkeypatch.chdir(root / "configs")
    code, output = command("train", "-cn", "mnist_lenet5_cosine", *QUICK, "data=mnist5k")
    assert code == 0, output
    first = run_dir(output)
    assert first.parent == root / "runs" / "mnist_lenet5_cosine"
    monkeypatch.chdir(tmp_path)
    code, output = command("train", "-cd", str(first), "-cn", "config", "tracking=none", "data=mnist5k")
    assert code == 0, output
    assert numbers(run_dir(output)) == numbers(first)


def test_two_runs_in_one_second_get_two_folders(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    import sesemi_search.commands.train as verb

    class Frozen(verb.datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Frozen":
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(verb, "datetime", Frozen)
    folders = [run_dir(command("train", "-cn", "small", *QUICK)[1]) for _ in range(2)]
    assert [folder.name for folder in folders] == ["train_20260102_030405", "train_20260102_030405_2"]


def test_a_run_that_no_config_names_has_the_name_of_its_own(command: Command, project: Path) -> None:
    text = (project / "configs" / "small.yaml").read_text()
    (project / "configs" / "vision").mkdir()
    (project / "configs" / "vision" / "unnamed.yaml").write_text(text.replace(", id: small", ""))
    code, output = command("train", "-cn", "vision/unnamed.yaml", *QUICK)
    assert code == 0, output
    assert output.strip().splitlines()[-1] == f"run directory: {run_dir(output)}"
    assert run_dir(output).parent == project / "runs" / "vision_unnamed"


@pytest.mark.parametrize("where", ["/dev/null", "/proc/none"])
def test_a_folder_that_cannot_be_made_is_a_mistake(where: str, command: Command) -> None:
    code, output = command("train", "-cn", "small", *QUICK, f"run.dir={where}")
    assert code == 2
    assert f"run.dir: {where}/small cannot be written" in " ".join(output.split())
