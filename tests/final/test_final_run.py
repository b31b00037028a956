"""The final run: what it leaves, what it scores, and how it goes on."""

import dataclasses
import gzip
import json
import math
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from sesemi_search.config import schema
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.data import InMemoryImages, Preparation, load_splits
from sesemi_search.errors import ConfigError, UserCodeExit
from sesemi_search.final.start import best_epoch
from sesemi_search.final.train import FinalResult, train, write_metrics
from sesemi_search.metrics import METRICS, Objective
from sesemi_search.models import build_classifier
from sesemi_search.models.heads import LinearHead
from sesemi_search.training import Diverged, load_checkpoint

FILES = ["best.pt", "last.pt", "metrics.json", "model.json", "model.pt", "model.safetensors"]
Run = Callable[..., Any]
Finished = tuple[FinalResult, Path]


def read_metrics(folder: Path) -> dict[str, Any]:
    """Reads metrics.json as strict JSON, without NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)


def comparable(folder: Path) -> list[dict[str, float]]:
    """Returns the epochs of metrics.json without their times."""
    return [{k: v for k, v in epoch.items() if k != "epoch_seconds"} for epoch in read_metrics(folder)["epochs"]]


def score_by_hand(experiment: ExperimentConfig, weights: Path) -> float:
    """Returns test/top1 of a model.pt, by code of this test alone."""
    model = experiment.learner.hparams.model
    classifier = build_classifier(model.backbone, model.head, 10)
    classifier.load_state_dict(torch.load(weights, weights_only=True))
    data = experiment.data
    test = load_splits(data, Path("none"), ("test",))["test"]
    images, labels = next(InMemoryImages(test, Preparation(data.mean, data.std, 3)).batches(len(test)))
    with torch.no_grad():
        return (classifier.eval()(images).argmax(1) == labels).float().mean().item()


def test_a_run_leaves_checkpoints_weights_and_metrics(finished: Finished) -> None:
    result, folder = finished
    assert sorted(file.name for file in folder.iterdir()) == FILES
    written = read_metrics(folder)
    assert written["outcome"] == "complete"
    assert [epoch["epoch"] for epoch in written["epochs"]] == [1, 2, 3, 4]
    assert all(set(METRICS) < set(epoch) for epoch in written["epochs"])
    assert written["test"]["top1"] == result.test.top1
    assert (result.num_epochs, result.last_top1) == (4, written["epochs"][-1]["val/top1"])
    assert load_checkpoint(folder / "last.pt")["epoch"] == 4
    assert load_checkpoint(folder / "best.pt")["epoch"] == result.best_epoch


def test_a_profiled_run_says_where_a_steps_time_goes_and_leaves_a_trace(
    run: Run, experiment: ExperimentConfig, finished: Finished, tmp_path: Path
) -> None:
    experiment.run.profile = True
    _, lines = run()
    folder = tmp_path / "first"
    assert sorted(file.name for file in folder.iterdir()) == sorted([*FILES, "trace.json.gz"])
    parts = ["data", "forward", "backward", "optimizer", "the", "a"]
    assert [line.split()[0] for line in lines if re.search(r"\d%$", line)] == parts
    assert f"trace of epoch 2, for ui.perfetto.dev or chrome://tracing: {folder / 'trace.json.gz'}" in lines
    with gzip.open(folder / "trace.json.gz") as file:
        names = [event.get("name") for event in json.load(file)["traceEvents"]]
    assert (names.count("train/step"), names.count("val/batch")) == (10, 4)
    assert comparable(folder) == comparable(finished[1])
    assert read_metrics(folder)["test"] == read_metrics(finished[1])["test"]


@pytest.mark.parametrize(("first", "num_epochs", "profiled"), [(0, 1, 1), (1, 4, 3), (3, 4, 4)])
def test_the_second_epoch_that_a_run_trains_is_profiled_or_its_only_one(
    run: Run, experiment: ExperimentConfig, tracker: Any, tmp_path: Path, first: int, num_epochs: int, profiled: int
) -> None:
    experiment.run.num_epochs = num_epochs
    if first:
        with pytest.raises(KeyboardInterrupt):
            run("before", type(tracker)(fail_after=first))
        experiment.run.resume_from_checkpoint = str(tmp_path / "before" / "last.pt")
    experiment.run.profile = True
    _, lines = run()
    assert [line for line in lines if line.startswith(f"trace of epoch {profiled},")]


@pytest.mark.parametrize("decay", [None, 0.5])
def test_the_score_is_that_of_the_weights_left(
    run: Run, experiment: ExperimentConfig, tmp_path: Path, decay: float | None
) -> None:
    experiment.learner.hparams.model.ema.decay = decay
    result, _ = run()
    assert result.test.checkpoint == "best.pt"
    assert result.test.epoch == result.best_epoch
    assert score_by_hand(experiment, tmp_path / "first" / "model.pt") == pytest.approx(result.test.top1)


def test_the_last_checkpoint_is_scored_when_asked(run: Run, experiment: ExperimentConfig, tmp_path: Path) -> None:
    experiment.run.test_checkpoint = schema.TestCheckpoint.last
    result, _ = run()
    assert (result.test.checkpoint, result.test.epoch) == ("last.pt", 4)
    model = torch.load(tmp_path / "first" / "model.pt", weights_only=True)
    last = load_checkpoint(tmp_path / "first" / "last.pt")["model"]
    assert all(torch.equal(model[name], last[name]) for name in last)
    assert score_by_hand(experiment, tmp_path / "first" / "model.pt") == pytest.approx(result.test.top1)


def test_the_test_split_is_opened_once_and_after_training(
    run: Run, tracker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[tuple[str, ...], int]] = []

    def watched(*given: Any) -> Any:
        opened.append((given[2], len(tracker.epochs)))
        return load_splits(*given)

    # By its name in sys.modules: as an attribute of the package, `train` is the function.
    monkeypatch.setattr(sys.modules["sesemi_search.final.train"], "load_splits", watched)
    run()
    assert opened == [(("train", "val"), 0), (("test",), 4)]


@pytest.fixture
def files(experiment: ExperimentConfig) -> Path:
    """A folder of 60 files in ten classes to train with and 20 to test on, which the experiment reads."""
    folder = Path(experiment.run.data_root) / "squares"
    for split, count in (("train", 6), ("test", 2)):
        for label in range(10):
            for number in range(count):
                file = folder / split / str(label) / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (32, 32), 20 * label + number).save(file)
    source = {"_target_": "sesemi_search.data.folder.ImageFolder", "folder": "squares"}
    experiment.data = dataclasses.replace(experiment.data, source=source, val_size=10, test_size=None)
    experiment.run.num_epochs = 1
    return folder


@pytest.mark.parametrize("memory_share", [0.25, 0.0], ids=["in memory", "streamed"])
def test_broken_files_of_all_splits_are_refused_before_training(
    run: Run, files: Path, experiment: ExperimentConfig, tracker: Any, tmp_path: Path, memory_share: float
) -> None:
    experiment.run.memory_share = memory_share
    broken = [files / "train" / "3" / "0.png", files / "test" / "4" / "1.png"]
    for file in broken:
        file.write_bytes(b"broken")
    with pytest.raises(ConfigError, match="2 images cannot be read; mend or delete them") as raised:
        run()
    assert all(f"{file} (UnidentifiedImageError" in str(raised.value) for file in broken)
    assert tracker.starts == []
    assert not (tmp_path / "first").exists()
    experiment.data.skip_corrupt = True
    run()
    assert read_metrics(tmp_path / "first")["test"]["top1"] in [pytest.approx(right / 19) for right in range(20)]


def test_a_test_split_without_a_file_is_refused_before_training(run: Run, files: Path, tracker: Any) -> None:
    for file in files.glob("test/*/*.png"):
        file.unlink()
    with pytest.raises(ConfigError, match=r"data\.source: no image is left for test\."):
        run()
    assert tracker.starts == []


def test_trying_the_test_files_says_and_keeps_nothing(run: Run, files: Path) -> None:
    _, said = run()
    places = [line for line in said if line.startswith("data: ")]
    assert [line.split(",")[0] for line in places] == ["data: val", "data: train", "data: test"]


def test_the_tracker_gets_start_epochs_and_end(run: Run, tracker: Any) -> None:
    result, said = run()
    (start,) = tracker.starts
    assert (start.number, start.job_type, start.group, start.num_epochs) == (0, "final", None, 4)
    assert (start.name, start.run_id) == ("unit", "unit-first")
    assert yaml.safe_load(start.files["experiment.yaml"])["run"]["accelerator"] == "auto"
    assert start.tags == [start.config["backbone"], start.config["head"]]
    assert result.summary()["val/top1"] == {"max": result.best_top1, "last": result.last_top1}
    assert json.dumps(start.config)
    assert tracker.epochs == [1, 2, 3, 4]
    assert tracker.ends == [("complete", result.summary())]
    if not torch.cuda.is_available():
        assert said[0] == "run.gpus=1, but there is no GPU here: training on the CPU"
    places = [f"data: {name} images ({size} MB), in memory" for name, size in (("val, 200", 0), ("train, 500", 1))]
    assert said[-3:-1] == places
    assert said[-1].startswith("data: test, 4,300 images")


def test_equal_configs_give_equal_runs(run: Run, finished: Finished, tmp_path: Path) -> None:
    first, folder = finished
    second, _ = run("second")
    assert comparable(folder) == comparable(tmp_path / "second")
    assert first.test == second.test


@pytest.mark.parametrize(("interrupted_after", "decay"), [(1, None), (3, 0.5)])
def test_resuming_gives_the_undisturbed_run(
    run: Run, experiment: ExperimentConfig, tracker: Any, tmp_path: Path, interrupted_after: int, decay: float | None
) -> None:
    experiment.learner.hparams.model.ema.decay = decay
    undisturbed, _ = run("undisturbed")
    with pytest.raises(KeyboardInterrupt):
        run("stopped", type(tracker)(fail_after=interrupted_after))
    assert read_metrics(tmp_path / "stopped")["outcome"] == "interrupted"
    experiment.run.resume_from_checkpoint = str(tmp_path / "stopped" / "last.pt")
    after = type(tracker)()
    resumed, said = run("resumed", after)
    assert resumed.test == undisturbed.test
    assert comparable(tmp_path / "resumed") == comparable(tmp_path / "undisturbed")
    assert after.epochs == [1, 2, 3, 4]
    assert any(f"after epoch {interrupted_after} of 4" in line for line in said)
    one, other = (load_checkpoint(tmp_path / name / "last.pt") for name in ("undisturbed", "resumed"))
    assert all(torch.equal(one["model"][name], other["model"][name]) for name in one["model"])


def test_resuming_a_finished_run_scores_it_again(run: Run, experiment: ExperimentConfig, finished: Finished) -> None:
    first, folder = finished
    experiment.run.resume_from_checkpoint = str(folder / "last.pt")
    again, _ = run("again")
    assert (again.test, again.best_epoch) == (first.test, first.best_epoch)


def make_best_the_first_epoch(path: Path) -> None:
    """Rewrites a last.pt so that its first epoch is the best; training does so too, but not on demand."""
    state = torch.load(path, weights_only=True)
    state["history"][0]["val/top1"] = 1.0
    torch.save(state, path)


def test_resuming_without_the_best_checkpoint_is_an_error(
    run: Run, experiment: ExperimentConfig, tracker: Any, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run("stopped", type(tracker)(fail_after=2))
    make_best_the_first_epoch(tmp_path / "stopped" / "last.pt")
    experiment.run.resume_from_checkpoint = str(tmp_path / "stopped" / "last.pt")
    with pytest.raises(ConfigError, match=r"the best epoch behind it is 1, but .*best\.pt is not there"):
        run("resumed", type(tracker)())
    assert not (tmp_path / "resumed").exists()
    experiment.run.test_checkpoint = schema.TestCheckpoint.last
    assert run("resumed", type(tracker)())[0].test.checkpoint == "last.pt"


@pytest.mark.parametrize("damage", ["missing", "cut", "other-model"])
def test_a_checkpoint_that_cannot_be_resumed_is_a_config_error(
    run: Run, experiment: ExperimentConfig, finished: Finished, tmp_path: Path, damage: str
) -> None:
    last, whole = tmp_path / "last.pt", (finished[1] / "last.pt").read_bytes()
    if damage != "missing":
        last.write_bytes(whole[:1000] if damage == "cut" else whole)
    if damage == "other-model":
        experiment.learner.hparams.model.backbone["out_features"] = 20
    experiment.run.resume_from_checkpoint = str(last)
    with pytest.raises(ConfigError, match=r"run\.resume_from_checkpoint: "):
        run("second")
    assert not (tmp_path / "second").exists()


def test_pretrained_weights_begin_a_run(
    run: Run, experiment: ExperimentConfig, finished: Finished, tmp_path: Path
) -> None:
    first, folder = finished
    weights = tmp_path / "elsewhere.pt"
    shutil.copy(folder / "model.pt", weights)
    experiment.run.pretrained_checkpoint_path = str(weights)
    second, _ = run("second")
    assert comparable(tmp_path / "second")[0]["val/top1"] > comparable(folder)[0]["val/top1"]
    assert second.num_epochs == first.num_epochs


FOR_BACKBONES = "To begin with a backbone alone, set learner.hparams.model.backbone.checkpoint."
LIGHTNING = "is a checkpoint of Lightning, as SESEMI writes them, which are not read"
TAKES_WEIGHTS = "it takes a model.pt of this program"
TAKES_A_RUN = "it takes a last.pt or best.pt of this program"
PICKLED = "it holds pickled objects, which are not executed"


class Options:
    """An object of somebody's, in a checkpoint."""


def write_foreign(path: Path, kind: str) -> None:
    weights = {"conv1.weight": torch.zeros(4, 3, 3, 3), "fc.bias": torch.zeros(10)}
    lightning = {"pytorch-lightning_version": "1.6.5", "epoch": 3, "state_dict": weights, "optimizer_states": []}
    contents = {
        "lightning": lightning,
        "pickled": {**lightning, "hyper_parameters": Options()},
        "else": {"net": weights},
        "weights": weights,
    }
    torch.save(contents[kind], path)


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        ("pretrained_checkpoint_path", "lightning", f"PATH {LIGHTNING}; {TAKES_WEIGHTS}. {FOR_BACKBONES}"),
        ("pretrained_checkpoint_path", "pickled", f"PATH: {PICKLED}; {TAKES_WEIGHTS}."),
        (
            "pretrained_checkpoint_path",
            "else",
            f"PATH holds neither a run nor weights of this program; {TAKES_WEIGHTS}. {FOR_BACKBONES}",
        ),
        (
            "pretrained_checkpoint_path",
            "weights",
            "got 'PATH'; the weights do not fit this model: 9 missing (backbone.layers.0.weight, "
            "backbone.layers.0.bias, backbone.layers.2.weight, ...); 2 unknown (conv1.weight, fc.bias). "
            f"{FOR_BACKBONES}",
        ),
        (
            "resume_from_checkpoint",
            "lightning",
            f"PATH {LIGHTNING}; {TAKES_A_RUN}. To begin with weights, set run.pretrained_checkpoint_path.",
        ),
        ("resume_from_checkpoint", "pickled", f"PATH: {PICKLED}; {TAKES_A_RUN}."),
        (
            "resume_from_checkpoint",
            "weights",
            f"PATH holds weights alone; {TAKES_A_RUN}. To begin with weights, set run.pretrained_checkpoint_path.",
        ),
    ],
)
def test_a_checkpoint_of_another_program_is_said_to_be_one(
    run: Run, experiment: ExperimentConfig, tmp_path: Path, key: str, kind: str, message: str
) -> None:
    path = tmp_path / "foreign.ckpt"
    write_foreign(path, kind)
    setattr(experiment.run, key, str(path))
    with pytest.raises(ConfigError) as raised:
        run()
    assert str(raised.value) == f"run.{key}: {message.replace('PATH', str(path))}"
    assert not (tmp_path / "first").exists()


@pytest.mark.parametrize(
    ("key", "name", "message"),
    [
        ("pretrained_checkpoint_path", "model.pt", "the weights do not fit this model: {head}. " + FOR_BACKBONES),
        ("resume_from_checkpoint", "last.pt", "the checkpoint does not fit this experiment: {head}."),
    ],
)
def test_weights_of_another_head_are_told_in_one_line(
    run: Run, experiment: ExperimentConfig, finished: Finished, key: str, name: str, message: str
) -> None:
    experiment.learner.hparams.model.head = {"_target_": "sesemi_search.models.heads.LinearHead"}
    path = finished[1] / name
    setattr(experiment.run, key, str(path))
    with pytest.raises(ConfigError) as raised:
        run("second")
    head = "2 missing (head.linear.weight, head.linear.bias); 1 unknown (head.weight)"
    assert str(raised.value) == f"run.{key}: got '{path}'; " + message.format(head=head)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("last.pt", f"holds a whole run; {TAKES_WEIGHTS}. To go on, use run.resume_from_checkpoint."),
        ("none.pt", f"there is no such checkpoint; {TAKES_WEIGHTS}."),
    ],
)
def test_what_are_not_weights_is_a_config_error(
    run: Run, experiment: ExperimentConfig, finished: Finished, tmp_path: Path, name: str, message: str
) -> None:
    experiment.run.pretrained_checkpoint_path = str(finished[1] / name)
    with pytest.raises(ConfigError, match=r"run\.pretrained_checkpoint_path: ") as raised:
        run("second")
    assert str(raised.value).endswith(message)
    assert not (tmp_path / "second").exists()


def test_resuming_and_beginning_with_weights_exclude_each_other(run: Run, experiment: ExperimentConfig) -> None:
    experiment.run.resume_from_checkpoint = experiment.run.pretrained_checkpoint_path = "some.pt"
    with pytest.raises(ConfigError, match="are both set"):
        run()


def test_a_diverged_run_says_so_and_keeps_its_metrics(
    run: Run, experiment: ExperimentConfig, tracker: Any, tmp_path: Path
) -> None:
    experiment.learner.hparams.optimizer["lr"] = 1e30
    experiment.learner.hparams.model.head = {"_target_": "sesemi_search.models.heads.LinearHead"}
    with pytest.raises(Diverged, match="diverged in epoch 1"):
        run()
    written = read_metrics(tmp_path / "first")
    assert (written["outcome"], written["test"]) == ("diverged", None)
    assert written["epochs"][0]["train/loss"] is None
    assert [outcome for outcome, _ in tracker.ends] == ["diverged"]


class ExitingHead(LinearHead):
    """Ends the program in its first batch."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        sys.exit(0)


def test_a_module_that_exits_is_no_run_that_is_done(
    run: Run, experiment: ExperimentConfig, tracker: Any, tmp_path: Path
) -> None:
    experiment.learner.hparams.model.head = {"_target_": f"{__name__}.ExitingHead"}
    with pytest.raises(UserCodeExit, match="SystemExit: 0"):
        run()
    assert read_metrics(tmp_path / "first")["outcome"] == "error"
    assert [outcome for outcome, _ in tracker.ends] == ["error"]


def test_a_mistake_in_the_config_leaves_no_file(
    run: Run, experiment: ExperimentConfig, tracker: Any, tmp_path: Path
) -> None:
    experiment.learner.hparams.model.backbone = {"_target_": "sesemi_tutorials.models.LeNet6"}
    with pytest.raises(ConfigError, match="LeNet6"):
        run()
    assert not (tmp_path / "first").exists()
    assert tracker.starts == []


def test_the_caller_writes_first_and_only_when_all_is_built(
    experiment: ExperimentConfig, tracker: Any, tmp_path: Path
) -> None:
    folder, calls = tmp_path / "run", []

    def write_config() -> None:
        assert not folder.exists()
        assert tracker.starts == []
        calls.append("written")
        folder.mkdir()

    good = experiment.learner.hparams.optimizer
    experiment.learner.hparams.optimizer = {"_target_": "torch.optim.SGD", "lr": -1.0}
    with pytest.raises(ConfigError, match="Invalid learning rate"):
        train(experiment, folder, tracker, write_config)
    assert calls == []
    experiment.learner.hparams.optimizer = good
    train(experiment, folder, tracker, write_config)
    assert calls == ["written"]


def test_a_crash_is_reported_as_an_error(run: Run, experiment: ExperimentConfig, tracker: Any, tmp_path: Path) -> None:
    experiment.data.image_size = 28  # LeNet5 takes 29 to 32
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        run()
    assert [outcome for outcome, _ in tracker.ends] == ["error"]
    assert read_metrics(tmp_path / "first")["outcome"] == "error"


@pytest.mark.gpu
def test_weights_of_a_gpu_run_load_without_a_gpu(run: Run, tmp_path: Path) -> None:
    run()
    weights = torch.load(tmp_path / "first" / "model.pt", weights_only=True)
    assert {value.device.type for value in weights.values()} == {"cpu"}


def test_the_earliest_best_epoch_wins() -> None:
    history = [{"val/top1": top1, "val/loss": loss} for top1, loss in ((0.5, 0.4), (0.9, 0.3), (0.9, 0.2), (0.8, 0.2))]
    assert best_epoch(history, Objective("val/top1", maximize=True)) == 2
    assert best_epoch(history, Objective("val/loss", maximize=False)) == 3
    assert best_epoch([], Objective("val/top1", maximize=True)) == 0


def test_an_epoch_without_a_number_is_the_best_only_where_none_has_one() -> None:
    kappa = Objective("val/kappa", maximize=True)
    assert best_epoch([{"val/kappa": value} for value in (math.nan, -0.5, math.nan)], kappa) == 2
    assert best_epoch([{"val/kappa": math.nan}] * 2, kappa) == 1


def test_metrics_are_valid_json_whatever_the_numbers(tmp_path: Path) -> None:
    write_metrics(tmp_path / "metrics.json", "diverged", [{"train/loss": float("nan"), "lr": float("inf"), "x": 1.0}])
    assert read_metrics(tmp_path)["epochs"] == [{"epoch": 1, "train/loss": None, "lr": None, "x": 1.0}]
