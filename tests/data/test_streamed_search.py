"""A whole search, with Ray, of image files that are streamed: the same trials as when they are in memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.processes import end_all, read_trials, start

EXPERIMENT = """
# @package _global_
defaults:
  - /base/supervised/model
  - /base/supervised/data/image_folder
  - /base/supervised/optimizer/sgd
  - /base/supervised/head/linear
run: {num_epochs: 2, batch_size_per_gpu: 16, gpus: 0}
data: {source: {folder: photos}, image_size: 8}
learner: {hparams: {num_classes: 2, model: {backbone: {_target_: flat.Flat}}}}
"""
SPACE = """
# @package _global_
defaults: [/photos, _self_]
space:
  data:
    train_transforms:
      choice:
        none: []
        crop: [{_target_: sesemi_search.data.augment.RandomCrop, padding: {int: [1, 2]}}]
        torchvision: [{_target_: torchvision.transforms.v2.RandomHorizontalFlip, p: {float: [0.1, 0.9]}}]
  learner: {hparams: {optimizer: {lr: {float: [0.001, 0.1], log: true}}}}
"""
MODULE = """
from torch import nn

class Flat(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(3 * 8 * 8, 16), nn.ReLU())
        self.out_features = 16
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    for name, text in (
        ("configs/photos.yaml", EXPERIMENT),
        ("search_spaces/space/photos.yaml", SPACE),
        ("src/flat.py", MODULE),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.lstrip())
    rng = np.random.default_rng(0)
    for number in range(100):
        folder = tmp_path / "data" / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256 - 100 * (number % 2), (12, 12, 3), np.uint8)).save(folder / f"{number}.png")
    yield tmp_path
    end_all()


@pytest.mark.slow
def test_a_streamed_search_is_the_one_in_memory(project: Path) -> None:
    found = {}
    for place, share, workers in (("memory", 0.25, 0), ("streamed", 0, 1)):
        directory = project / place
        options = (f"search.dir={directory}", "search.num_trials=5", "search.max_concurrent=1")
        process = start(
            project, "run", "space=photos", *options, f"run.memory_share={share}", f"run.num_workers={workers}"
        )
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0, out
        assert f"data: train, 80 images (0 MB), {'streamed' if workers else 'in memory'}" in out
        found[place] = [(trial.params, trial.intermediate_values, trial.state) for trial in read_trials(directory)]
    assert len(found["memory"]) == 5
    assert found["memory"] == found["streamed"]
