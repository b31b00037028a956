"""What a trial's config has in place of what the experiment leaves open, and what overrides do to it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import load_experiment, to_yaml, type_experiment
from sesemi_search.data import LabelledImages, load_splits
from sesemi_search.errors import ConfigError
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import Checked, check_space
from sesemi_search.search.directory import trial_dir
from sesemi_search.search.fingerprint import digest_experiment
from sesemi_search.search.preparation import Prepared, prepare
from sesemi_search.search.trial import TrialRun
from sesemi_search.search.trial_config import common_image_size, make_resolver
from tests.search.told_search import open_session

BACKBONE = "learner.hparams.model.backbone"
OPEN = ["data.mean=null", "data.std=null"]
TIMM = "_target_: sesemi_search.models.backbones.TimmBackbone"
LR = "learner.hparams.optimizer.lr"
SCHEDULER = "learner.hparams.lr_scheduler.scheduler"
ONE_CYCLE = (
    f"{SCHEDULER}={{_target_: torch.optim.lr_scheduler.OneCycleLR, "
    f"max_lr: '${{{LR}}}', epochs: '${{run.num_epochs}}', cycle_momentum: false, div_factor: 2, final_div_factor: 2}}"
)
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def checked(project: Path) -> Callable[..., tuple[Prepared, Checked]]:
    """A space over timm's models, checked."""

    def make(options: dict[str, str], *overrides: str) -> tuple[Prepared, Checked]:
        nodes = ", ".join(f"{name}: {{{TIMM}, {arguments}}}" for name, arguments in options.items())
        choice = f"space.{BACKBONE}={{choice: {{{nodes}}}}}"
        one_head = "space.learner.hparams.model.head=linear"
        request = Request(search=True, overrides=["space=tiny", choice, one_head, *overrides], project=project)
        prepared = prepare(compose_config(request))
        return prepared, check_space(prepared.space, prepared.experiment, Architectures())

    return make


def images(value: int) -> LabelledImages:
    """Eight images, half of them black."""
    pixels = np.full((8, 3, 64, 64), value, dtype=np.uint8)
    pixels[::2] = 0
    return LabelledImages(pixels, np.arange(8) % 2)


def test_each_trial_is_normalized_as_its_own_backbone_expects(
    checked: Callable[..., tuple[Prepared, Checked]], tmp_path: Path, said: list[str]
) -> None:
    options = {
        "fresh": "name: test_resnet",
        "halves": "name: test_resnet, pretrained: true",
        "imagenet": "name: resnet10t, pretrained: true",
    }
    prepared, found = checked(options, "data.image_size=64", *OPEN)
    said.clear()
    resolve = make_resolver(prepared.settings.data, found, images(51))
    assert said == ["data.mean=[0.1, 0.1, 0.1] and data.std=[0.1, 0.1, 0.1], measured on train"]
    means: dict[str, Any] = {}
    for branch in found.branches:
        config = resolve(prepared.space.apply(prepared.experiment, branch.low.params))
        (tmp_path / "config.yaml").write_text(to_yaml(config))
        data = load_experiment(tmp_path / "config.yaml")["data"]  # as a worker reads it
        means[str(branch.choices[BACKBONE])] = (data["mean"], data["std"])
    assert means == {
        "fresh": ([0.1] * 3, [0.1] * 3),
        "halves": ([0.5] * 3, [0.5] * 3),
        "imagenet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    }


def test_nothing_is_measured_that_no_branch_needs(checked: Callable[..., tuple[Prepared, Checked]]) -> None:
    prepared, found = checked({"one": "name: test_resnet, pretrained: true"}, "data.image_size=64", *OPEN)
    make_resolver(prepared.settings.data, found, images(0))  # black has no deviation


def test_the_size_of_all_backbones_is_the_size_of_the_images(
    checked: Callable[..., tuple[Prepared, Checked]],
) -> None:
    names = {"a": "name: test_resnet", "b": "name: test_vit"}
    _, found = checked(names, "data.image_size=null")
    assert common_image_size(found) == 160


def test_a_space_of_backbones_of_different_sizes_takes_one(checked: Callable[..., tuple[Prepared, Checked]]) -> None:
    options = {"a": "name: test_resnet", "b": "name: resnet10t"}
    _, found = checked(options, "data.image_size=null")
    with pytest.raises(ConfigError, match=r"different sizes: 160 \(test_resnet\), 176 \(resnet10t\)\. A search"):
        common_image_size(found)
    _, found = checked(options, "data.image_size=64")
    assert common_image_size(found) == 64


def begin_trial(project: Path, *overrides: str) -> tuple[Path, str]:
    """Begins the first trial of a search, rate 0.1; gives the folder of the search and the trial's digest."""
    directory = project / "search"
    session, ledger = open_session(project, directory, f"space.{LR}=0.1", *overrides)
    assert session.next_trial() == 0
    return directory, ledger.record(0).digest


def train_trial(command: Command, directory: Path, *overrides: str) -> tuple[int, str, list[dict[str, float]]]:
    """Trains the first trial by the verb; gives exit code, output, and each epoch without its time."""
    folder = trial_dir(directory, 0)
    code, output = command("train", "-cd", str(folder), "-cn", "config", "tracking=none", *overrides)
    if code:
        return code, output, []
    metrics = json.loads((Path(output.strip().splitlines()[-1].partition(": ")[2]) / "metrics.json").read_text())
    return code, output, [without_time(epoch) for epoch in metrics["epochs"]]


def without_time(epoch: Any) -> dict[str, float]:
    return {key: value for key, value in epoch.items() if key not in ("epoch", "epoch_seconds")}


def test_an_override_acts_on_what_refers_to_the_key(project: Path, command: Command) -> None:
    directory, _ = begin_trial(project, ONE_CYCLE)
    overrides = [f"{LR}=1e-5", "run.num_epochs=1"]
    code, output, epochs = train_trial(command, directory, *overrides)
    assert code == 0, output
    (epoch,) = epochs
    assert 0 < epoch["lr"] <= 1e-5
    # And once more from what that run leaves.
    (run,) = (project / "runs").glob("*/train_*")
    code, output = command("train", "-cd", str(run), "-cn", "config", "tracking=none", f"{LR}=1e-3")
    assert code == 0, output
    again = json.loads((Path(output.strip().splitlines()[-1].partition(": ")[2]) / "metrics.json").read_text())
    assert again["epochs"][0]["lr"] == pytest.approx(100 * epoch["lr"])


def test_more_epochs_than_before_train_and_a_schedule_of_fewer_is_told(project: Path, command: Command) -> None:
    directory, _ = begin_trial(project, ONE_CYCLE)
    code, output, epochs = train_trial(command, directory, "run.num_epochs=4")
    assert code == 0, output
    assert len(epochs) == 4
    code, output, _ = train_trial(command, directory, "run.num_epochs=4", f"{SCHEDULER}.epochs=3")
    assert code == 2
    assert f"{SCHEDULER}: torch.optim.lr_scheduler.OneCycleLR raised in epoch 4 of 4" in " ".join(output.split())
    assert "Traceback" not in output


def test_without_an_override_a_trial_gives_its_numbers_again(project: Path, command: Command) -> None:
    directory, digest = begin_trial(project, ONE_CYCLE, "data.mean=null")
    text = (trial_dir(directory, 0) / "config.yaml").read_text()
    assert f"max_lr: ${{{LR}}}" in text
    experiment = load_experiment(trial_dir(directory, 0) / "config.yaml")
    assert digest_experiment(experiment) == digest
    config = type_experiment(experiment)
    assert config.data.mean is not None
    trial = TrialRun(directory, 0, load_splits(config.data, Path(config.run.data_root), ["train", "val"]))
    reports = [trial.step() for _ in range(config.run.num_epochs)]
    code, output, epochs = train_trial(command, directory)
    assert code == 0, output
    assert epochs == [without_time(report.metrics) for report in reports]


def test_a_trial_does_not_depend_on_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOMENTUM", "0.5")
    momentum = "learner.hparams.optimizer.momentum"
    directory, digest = begin_trial(project, f"{momentum}='${{oc.decode:${{oc.env:MOMENTUM}}}}'")
    monkeypatch.setenv("MOMENTUM", "0.9")
    experiment = load_experiment(trial_dir(directory, 0) / "config.yaml")
    assert experiment["learner"]["hparams"]["optimizer"]["momentum"] == 0.5
    assert digest_experiment(experiment) == digest
