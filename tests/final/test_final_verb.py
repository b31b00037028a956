"""A search with its final run, from the command line, on real digits and real Ray workers."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sesemi_search
from sesemi_search.config.experiment import load_experiment, type_experiment
from sesemi_search.data import load_splits, open_images
from sesemi_search.final.test_scores import predict, score
from sesemi_search.models.classifier import build_classifier
from sesemi_search.training import load_checkpoint
from tests.processes import read_trials
from tests.search.conftest import copy_project
from tests.tracking.wandb_files import read_wandb_files

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_account", "ray")]

SMALL = ("search.num_trials=4", "search/pruner=none", "final.top_k=2", "final.num_seeds=2", "final.num_models=2")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project(tmp_path)


def test_a_search_and_its_final_run_as_one_command(
    command: Callable[..., tuple[int, str]], tmp_path: Path, said: list[str]
) -> None:
    directory = tmp_path / "search"
    folder = directory / "final"
    code, output = command("run", "space=tiny", *SMALL, "final.auto=true", f"search.dir={directory}")
    assert code == 0, output
    metrics = json.loads((folder / "metrics.json").read_text())

    for sentence in metrics["verdict"]["sentences"]:
        assert sentence in output
    by_candidate: dict[str, list[float]] = {}
    for run in metrics["confirm"]:
        by_candidate.setdefault(run["candidate"], []).append(run["val/top1"])
    assert set(by_candidate) == {each["name"] for each in metrics["verdict"]["scores"]}
    winner = next(each for each in metrics["verdict"]["scores"] if each["name"] == metrics["winner"])
    assert winner["mean"] == pytest.approx(np.mean(by_candidate[metrics["winner"]][-winner["num_seeds"] :]))

    # The model that is left is the one whose scores are told.
    config = type_experiment(load_experiment(folder / "config.yaml"))
    hparams = config.learner.hparams
    model = build_classifier(hparams.model.backbone, hparams.model.head, hparams.num_classes)
    model.load_state_dict(load_checkpoint(folder / "model.pt"))
    test = load_splits(config.data, Path(config.run.data_root), ("test",))["test"]
    scores = score(predict(model, open_images("test", test, config.data, config.run), 100), test.labels)
    assert scores.to_json() == metrics["test"]
    assert f"test/top1 {scores.top1:.4f}" in output
    card = (folder / "README.md").read_text()
    assert f"| test top1 | {scores.top1:.4f} (" in card
    assert all(sentence in card for sentence in metrics["verdict"]["sentences"])

    # It trained on the images of both splits, with seeds of its own.
    seeds = {run["seed"] for run in metrics["confirm"]}
    assert not seeds & {run["seed"] for run in metrics["models"]}
    assert len({run["seed"] for run in metrics["models"]}) == 2
    assert {trial.user_attrs["outcome"] for trial in read_trials(folder / "models")} == {"complete"}

    search = read_wandb_files(directory)
    group = next(iter(search.values())).group
    phases = {"confirm": read_wandb_files(folder / "confirm"), "final": read_wandb_files(folder / "models")}
    for job_type, runs in phases.items():
        assert {(run.group, run.job_type) for run in runs.values()} == {(group, job_type)}
    assert [len(runs) for runs in phases.values()] == [len(metrics["confirm"]), 2]
    (result,) = read_wandb_files(folder).values()
    assert (result.group, result.job_type, result.summary["test/top1"]) == (group, "final", scores.top1)

    code, output = command("status", str(directory))
    assert f"final run: {metrics['winner']}, test/top1 {scores.top1:.4f}" in output
    code, output = command("resume", str(folder / "confirm"))
    assert code == 2
    assert f"sesemi-search final {directory}" in output

    run = sesemi_search.run_final(directory)
    assert (run.winner, run.directory) == (metrics["winner"], folder)
    assert "the test split was opened" in said[-1]
    other = sesemi_search.run_final(directory, ["tracking=none"], trial=3, again=True, final={"num_models": 1})
    assert (other.winner, other.directory) == ("trial 3", directory / "final-2")
    assert not seeds & {run["seed"] for run in other.metrics["confirm"]}
    openings = (directory / "test_openings.jsonl").read_text().splitlines()
    assert [json.loads(line)["run"] for line in openings] == [str(folder), str(other.directory)]

    code, output = command("remove", str(directory), "--yes")
    assert (code, directory.exists()) == (0, False), output


def test_at_a_constant_rate_the_final_training_ends_where_confirm_was_best(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    directory = tmp_path / "search"
    constant = ("learner.hparams.lr_scheduler.scheduler=null", "search.num_trials=1", "tracking=none")
    code, output = command(
        "run", "space=tiny", *constant, "final.num_seeds=2", "final.auto=true", f"search.dir={directory}"
    )
    assert code == 0, output
    metrics = json.loads((directory / "final" / "metrics.json").read_text())
    curves = [t.intermediate_values for t in read_trials(directory / "final" / "confirm")]
    means = {epoch: np.mean([curve[epoch] for curve in curves]) for epoch in (1, 2, 3)}
    assert metrics["num_epochs"] == max(means, key=means.__getitem__)
    (model,) = read_trials(directory / "final" / "models")
    assert len(model.intermediate_values) == metrics["num_epochs"]
