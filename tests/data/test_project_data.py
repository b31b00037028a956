"""A data set and a transform of a user's project, by `_target_`, from the check to the final run."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from sesemi_search.cli import main
from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import to_yaml
from sesemi_search.config.schema import DataConfig
from sesemi_search.data import ImageSplit, LabelledImages, StoredImages, load_splits
from sesemi_search.errors import ConfigError
from sesemi_search.search.directory import trial_dir
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.plan import Plan, make_plan
from sesemi_search.search.trial import TrialRun

MODULE = '''
import numpy as np
import torch
from PIL import Image
from torch import nn

class Stripes(torch.utils.data.Dataset):
    """Stripes across or along, 12 x 10 pixels; it opens something that cannot be pickled, as a database."""

    def __init__(self, count, seed=0, kind="pil", listed=True):
        self.count, self.seed, self.kind = count, seed, kind
        self.opened = open(__file__)
        if listed:
            self.targets = [i % 2 for i in range(count)]

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        rng = np.random.default_rng([self.seed, index])
        pixels = np.zeros((12, 10, 3), np.uint8)
        lines = rng.integers(100, 256, (6, 1, 3)) if index % 2 else rng.integers(100, 256, (1, 5, 3))
        pixels[::2 if index % 2 else 1, ::1 if index % 2 else 2] = lines
        label = index % 2
        if self.kind == "pil":
            return Image.fromarray(pixels), label
        if self.kind == "array":
            return pixels, np.int64(label)
        if self.kind == "tensor":
            return torch.from_numpy(pixels).permute(2, 0, 1), torch.tensor(label)
        if self.kind == "floats":
            return torch.from_numpy(pixels).permute(2, 0, 1) / 255, label
        if self.kind == "normalized":
            return torch.from_numpy(pixels).permute(2, 0, 1) / 128.0 - 1, label
        if self.kind == "raises" and index == 7:
            raise OSError("the disk is gone")
        return {"image": pixels, "label": label} if self.kind == "mapping" else (Image.fromarray(pixels), label)

    def __del__(self):
        self.opened.close()

class Turned(Stripes):
    """Gives other labels than it lists."""

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return image, 1 - label

class Invert:
    def __init__(self, share=0.5):
        self.share = share

    def __call__(self, image):
        return 255 - image if torch.rand(()) < self.share else image

class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.out_features = 16
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 10 * 10, 16), nn.ReLU())

    def forward(self, images):
        return self.layers(images)
'''
EXPERIMENT = """
# @package _global_
defaults: [/base/supervised/model, /base/supervised/optimizer/sgd, /base/supervised/head/linear]
run: {num_epochs: 3, batch_size_per_gpu: 16, id: stripes}
data:
  source: {_target_: stripy.Stripes, count: 120}
  test_source: {_target_: stripy.Stripes, count: 40, seed: 1}
  image_size: 10
  channels: 3
  val_size: 0.25
  test_size: null
  split_seed: 0
  mean: null
  std: null
  class_weights: balanced
  train_transforms:
    - {_target_: stripy.Invert, share: 0.3}
    - {_target_: sesemi_search.data.augment.RandomCrop, padding: 1}
learner:
  hparams:
    num_classes: 2
    optimizer: {lr: 0.02}
    model: {backbone: {_target_: stripy.Flat}}
"""
SPACE = """
# @package _global_
defaults: [/stripes, _self_]
space:
  data:
    class_weights: {choice: [null, balanced]}
    train_transforms:
      choice:
        inverted: [{_target_: stripy.Invert, share: {float: [0.1, 0.9]}}]
        moved: [{_target_: sesemi_search.data.augment.RandomCrop, padding: {int: [0, 3]}}]
  learner: {hparams: {optimizer: {lr: {float: [0.001, 0.1], log: true}}}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in (
        ("configs/stripes.yaml", EXPERIMENT),
        ("search_spaces/space/stripes.yaml", SPACE),
        ("src/stripy.py", MODULE),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.lstrip())
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("stripy", None)


@pytest.fixture
def importable(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(project / "src"))


@pytest.fixture
def plan(project: Path) -> Callable[..., Plan]:
    def make(*overrides: str) -> Plan:
        request = Request(search=True, overrides=["space=stripes", "run.gpus=0", *overrides], project=project)
        return make_plan(compose_config(request))

    return make


def run_trial(plan: Plan, directory: Path, params: dict[str, object]) -> list[dict[str, float]]:
    """Trains a trial as a worker does; returns its metrics by epoch."""
    folder = trial_dir(directory, 0)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(plan.resolve(plan.space.apply(plan.experiment, params))))
    trial, reports = TrialRun(directory, 0, plan.data), []
    while not reports or reports[-1].outcome is None:
        reports.append(trial.step())
    assert reports[-1].outcome is Outcome.complete, reports[-1].message
    return [{k: v for k, v in report.metrics.items() if k != "epoch_seconds"} for report in reports]


def load_stripes(**arguments: object) -> ImageSplit:
    """Loads 90 of 120 images, 10 x 10 pixels large."""
    source = {"_target_": "stripy.Stripes", "count": 120, **arguments}
    data = DataConfig(source, None, 10, 3, val_size=14, test_size=16, split_seed=0, mean=None, std=None)
    return load_splits(data, Path("none"), ["train"])["train"]


INVERTED = {"data.class_weights": None, "data.train_transforms": "inverted"} | {
    "data.train_transforms.inverted.0.share": 0.4,
    "learner.hparams.optimizer.lr": 0.02,
}
MOVED = {"data.class_weights": "balanced", "data.train_transforms": "moved"} | {
    "data.train_transforms.moved.0.padding": 1,
    "learner.hparams.optimizer.lr": 0.02,
}


@pytest.mark.parametrize("params", [INVERTED, MOVED], ids=["of one image", "of a batch"])
def test_trials_in_memory_and_streamed_give_the_same_numbers(
    params: dict[str, object], plan: Callable[..., Plan], tmp_path: Path
) -> None:
    memory, streamed = plan(), plan("run.memory_share=0", "run.num_workers=1")
    assert isinstance(memory.data["train"], LabelledImages)
    assert isinstance(streamed.data["train"], StoredImages)
    metrics = run_trial(memory, tmp_path / "memory", params)
    assert len(metrics) == 3
    assert metrics == run_trial(streamed, tmp_path / "streamed", params)


def test_what_was_measured_is_in_the_configs_of_the_trials(plan: Callable[..., Plan]) -> None:
    made = plan()
    pixels = made.data["train"].take(np.arange(90)) / 255
    mean = made.resolve(made.experiment)["data"]["mean"]
    assert mean == pytest.approx(pixels.mean(axis=(0, 2, 3)), abs=1e-4)


@pytest.mark.parametrize("kind", ["pil", "array", "tensor", "floats"])
@pytest.mark.parametrize("listed", [True, False], ids=["labels listed", "labels read"])
@pytest.mark.usefixtures("importable")
def test_whatever_a_data_set_gives_for_an_image_is_one_image(kind: str, listed: bool) -> None:
    train, expected = load_stripes(kind=kind, listed=listed), load_stripes()
    assert np.bincount(train.labels).tolist() == [45, 45]
    difference = train.take(np.arange(90)).astype(int) - expected.take(np.arange(90))
    # PIL and torch interpolate from 12 to 10 pixels, each in its own way.
    assert np.abs(difference).mean() < 6


@pytest.mark.usefixtures("importable")
def test_what_a_data_set_gives_counts_and_not_what_it_lists() -> None:
    images = load_stripes(_target_="stripy.Turned")
    across = (images.take(np.arange(90)).std(axis=3).max(axis=(1, 2)) == 0).astype(int)  # of class 1 in Stripes
    assert np.array_equal(images.labels, 1 - across)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (
            "data.source.kind=normalized",
            r"^data.source: none of .* tried for val .*\. Normalization is data.mean and .*$",
        ),
        ("data.source.kind=mapping", r"data.source: stripy.Stripes\[0\] gave a dict of 2; it takes a pair"),
        ("data.source.kind=raises", r"stripy.Stripes, image 7 \(OSError: the disk is gone\)"),
        ("data.source.cuont=3", "data.source.cuont: stripy.Stripes takes no argument 'cuont'"),
        ("data.test_source={_target_: stripy.Strips}", "data.test_source._target_: .* Did you mean 'Stripes'"),
        ("data.test_source=null", "data.test_size: got None, but Stripes has no test split of its own"),
        ("data.test_size=3", "data.test_size: got 3, but Stripes has a test split of its own"),
        ("data.class_weights=[1,2,3]", "data.class_weights: got 3 values; it takes one for each of the 2 classes"),
        ("data.class_weights=even", "data.class_weights: got 'even'; it takes null, balanced, or"),
        ("data.train_fraction=0", "data.train_fraction: got 0.0; it takes a share"),
        ("data.val_size=1.5", "data.val_size: got 1.5; it takes a number of images"),
        ("data.train_transforms=[{_target_: stripy.Flat}]", "data.train_transforms.0: stripy.Flat failed on an image"),
        ("data.train_transforms={_target_: stripy.Invert}", "data.train_transforms: got a mapping in place of a list"),
        ("run.memory_share=2", "run.memory_share: got 2.0"),
        ("space.data.train_fraction={float: [0.1, 1]}", "space.data.train_fraction: is the same for every trial"),
        ("space.data.train_transforms=[{_target_: stripy.Invert, shar: 1}]", "data.train_transforms.0.shar: .*'share'"),
        (
            "learner.hparams.model.loss._target_=torch.nn.HuberLoss",
            "HuberLoss does not accept 'weight', which the program passes",
        ),
    ],
)
def test_a_mistake_is_found_before_anything_starts(override: str, says: str, plan: Callable[..., Plan]) -> None:
    pinned = [] if override.startswith("space.") else ["~space.data"]
    with pytest.raises(ConfigError, match=says):
        plan(override, *pinned)


@pytest.mark.parametrize("streamed", [False, True], ids=["in memory", "streamed"])
@pytest.mark.usefixtures("importable")
def test_a_data_set_of_which_no_image_can_be_used_is_said_once_and_not_read_to_its_end(
    streamed: bool, said: list[str]
) -> None:
    import stripy

    class Counted(stripy.Stripes):
        reads = 0

        def __getitem__(self, index: int) -> object:
            Counted.reads += 1
            return super().__getitem__(index)

    stripy.Counted = Counted
    source = {"_target_": "stripy.Counted", "count": 500, "kind": "normalized"}
    data = DataConfig(source, None, 10, 3, 50, 50, 0, mean=None, std=None, skip_corrupt=True)
    with pytest.raises(ConfigError, match=r"none of the images tried for \w+ can be read") as raised:
        load_splits(data, Path("none"), ["train", "val"], 0.0 if streamed else 0.25)
    assert "leave it out of the data set's own transform" in str(raised.value)
    assert "skip_corrupt" not in str(raised.value)
    assert "\n" not in str(raised.value)
    assert said == []
    assert 16 <= Counted.reads <= 32


@pytest.mark.usefixtures("importable")
def test_a_test_set_that_cannot_be_used_is_named_by_its_key() -> None:
    test_source = {"_target_": "stripy.Stripes", "count": 40, "kind": "normalized"}
    data = DataConfig({**test_source, "kind": "pil"}, test_source, 10, 3, 10, None, 0, mean=None, std=None)
    with pytest.raises(ConfigError, match=r"data\.test_source: none of the images tried for test can be read"):
        load_splits(data, Path("none"), ["test"])


def test_a_final_run_scores_the_second_data_set(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--config-name", "stripes", "run.gpus=0", "tracking=none"]) == 0
    (run_dir,) = (project / "runs" / "stripes").iterdir()
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert metrics["outcome"] == "complete"
    assert metrics["test"]["top1"] in [i / 40 for i in range(41)]
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert all(0 < value < 1 for value in config["data"]["mean"] + config["data"]["std"])
    assert "data: train, 90 images (0 MB), in memory" in capfd.readouterr().out
