"""Every part of a training that a user can write, of one project, in one search on two workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.test_project_data import MODULE
from tests.processes import end_all, read_trials, start

PARTS = ("data set", "transform", "backbone", "head", "loss", "optimizer")
OWN = '''
import os
import pathlib

USED = pathlib.Path(__file__).parents[1] / "used"

def note(part):
    """Leaves a file that says which process has used a part of this module."""
    USED.mkdir(exist_ok=True)
    (USED / f"{part}-{os.getpid()}").touch()

class NotedStripes(Stripes):
    def __getitem__(self, index):
        note("data set")
        return super().__getitem__(index)

class NotedInvert(Invert):
    def __call__(self, image):
        note("transform")
        return super().__call__(image)

class Wide(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.out_features = width
        self.own_layer = nn.Linear(3 * 10 * 10, width)

    def forward(self, images):
        note("backbone")
        return torch.relu(self.own_layer(images.flatten(1)))

class Tempered(nn.Module):
    def __init__(self, in_features, out_features, temperature):
        super().__init__()
        self.in_features, self.out_features, self.temperature = in_features, out_features, temperature
        self.own_classes = nn.Linear(in_features, out_features)

    def forward(self, features):
        note("head")
        return self.own_classes(features) / self.temperature

class Focal(nn.Module):
    """The focal loss of Lin et al. 2017."""

    def __init__(self, gamma):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, labels):
        note("loss")
        log_p = torch.log_softmax(logits, dim=1).gather(1, labels[:, None])
        return (-(1 - log_p.exp()) ** self.gamma * log_p).mean()

class SignSGD(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr, "own": "sign"})

    @torch.no_grad()
    def step(self, closure=None):
        note("optimizer")
        for group in self.param_groups:
            for weight in group["params"]:
                weight.sub_(weight.grad.sign(), alpha=group["lr"])
'''
EXPERIMENT = """
run: {num_epochs: 2, batch_size_per_device: 16, devices: 0, memory_share: 0}
data:
  source: {_target_: homemade.NotedStripes, count: 96}
  test_source: {_target_: homemade.NotedStripes, count: 8, seed: 1}
  image_size: 10
  channels: 3
  val_size: 32
  test_size: null
  split_seed: 0
  mean: [0.5, 0.5, 0.5]
  std: [0.5, 0.5, 0.5]
  train_transforms: [{_target_: homemade.NotedInvert}]
learner:
  hparams:
    num_classes: 2
    optimizer: {_target_: homemade.SignSGD, lr: 0.01}
    model:
      backbone: {_target_: homemade.Wide, width: 16}
      head: {_target_: homemade.Tempered, temperature: 1.0}
      loss: {_target_: homemade.Focal, gamma: 2.0}
"""
SPACE = """
# @package _global_
defaults: [/homemade, override /search/pruner: none, _self_]
search: {num_trials: 4, max_concurrent: 2}
space:
  data: {train_transforms: {0: {share: {float: [0.1, 0.9]}}}}
  learner:
    hparams:
      optimizer: {lr: {float: [0.001, 0.1], log: true}}
      model:
        backbone: {width: {int: [8, 32]}}
        head: {temperature: {float: [0.5, 2]}}
        loss: {gamma: {float: [0, 4]}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    for name, text in (
        ("configs/homemade.yaml", EXPERIMENT),
        ("search_spaces/space/homemade.yaml", SPACE),
        ("src/homemade.py", MODULE + OWN),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.lstrip())
    yield tmp_path
    end_all()


@pytest.mark.slow
def test_two_workers_train_with_nothing_but_parts_of_a_project(project: Path) -> None:
    directory = project / "search"
    # Trials that are over in an instant would leave a second worker nothing to do.
    process = start(project, "run", "space=homemade", "run.num_epochs=50", f"search.dir={directory}")
    out, _ = process.communicate(timeout=90)
    assert process.returncode == 0, out
    trials = read_trials(directory)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 4
    assert len({tuple(trial.params.values()) for trial in trials}) == 4
    users = {part: {int(file.name.split("-")[1]) for file in project.glob(f"used/{part}-*")} for part in PARTS}
    workers = users["backbone"] - {process.pid}
    assert len(workers) >= 2
    assert {part: users[part] - {process.pid} for part in PARTS} == dict.fromkeys(PARTS, workers)
