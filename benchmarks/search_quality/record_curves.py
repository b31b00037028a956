"""Records the learning curves that a benchmark of search quality replays.

    python benchmarks/search_quality/record_curves.py OUT.jsonl

Trains `NUM_CONFIGS` random configs of each option of the space below, 27 epochs each, and scores validation and test
after every epoch: a line of JSON a config, which tables/README.md explains. The images are scikit-learn's
`load_digits` (`pip install scikit-learn`), no download. A run that was stopped goes on when the same command is given
again. One process with one thread, no GPU: 21 minutes for the 200 configs on one of 2 cores, beside other work. Expect
test/top1 of the best near 0.985 for the two residual networks, 0.97 for the MLP, 0.96 for LeNet-5, 0.94 for the ViT.

All of it is the program's own: the space is composed, checked and applied as a search does it, and each config trains
through Fit, from the same seed, as trials do. Only the test split is not left closed: a replay needs to know what the
choice of a search would have scored.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import torch
from torch.utils.data import Dataset

from sesemi_search.atomic import write_text
from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import type_experiment
from sesemi_search.data import ImageSplit, load_splits, open_images
from sesemi_search.search.plan import Plan, make_plan
from sesemi_search.training import Diverged, Fit

__all__ = ["FAMILY", "NUM_CONFIGS", "SPACE", "Digits", "draw_configs", "record"]

NUM_CONFIGS = 40  # of each family
FAMILY = "learner.hparams"  # the dimension that says which

SPACE = """\
# @package _global_
defaults:
  - /base/supervised/model
  - /base/supervised/data/dataset
  - /base/supervised/head/linear
  - /base/supervised/optimizer/sgd
  - /base/supervised/lr_scheduler/polynomial
  - _self_
run: {num_epochs: 27, accelerator: cpu, gpus: 0}
data:
  source: {_target_: record_curves.Digits}
  image_size: 16
  channels: 1
  val_size: 300
  test_size: 997
learner:
  hparams:
    num_classes: 10
    model:
      backbone: {_target_: sesemi_search.models.backbones.LeNet5, in_channels: 1, image_size: 16}
    lr_scheduler:
      scheduler: {warmup_epochs: 3}
space:
  run:
    batch_size_per_gpu: {choice: [16, 32, 64]}
  learner:
    hparams:
      choice:
        lenet+cosine:
          model:
            backbone: {out_features: {int: [32, 256], log: true}}
            head: {_target_: sesemi_search.models.heads.ScaledCosineHead, scale: {float: [1, 32], log: true}}
          optimizer: &sgd
            lr: {float: [1e-2, 1.0], log: true}
            momentum: {float: [0.8, 0.99]}
            weight_decay: {float: [1e-6, 1e-2], log: true}
        mlp+linear:
          model:
            backbone:
              _target_: sesemi_search.models.backbones.MLP
              width: {int: [32, 256], log: true}
              dropout: {float: [0, 0.5]}
              in_channels: 1
              image_size: 16
          optimizer:
            lr: {float: [3e-3, 0.3], log: true}
            momentum: {float: [0.8, 0.99]}
            weight_decay: {float: [1e-6, 1e-2], log: true}
        vit+linear:
          model:
            backbone:
              _target_: sesemi_search.models.backbones.ViT
              dim: {int: [32, 64], step: 16}
              depth: {int: [1, 3]}
              num_heads: 2
              mlp_ratio: 2.0
              in_channels: 1
              image_size: 16
          optimizer:
            _target_: torch.optim.AdamW
            lr: {float: [3e-4, 3e-2], log: true}
            weight_decay: {float: [1e-4, 1.0], log: true}
          lr_scheduler:
            scheduler: {warmup_lr: 1e-5}
        resnet+linear:
          model:
            backbone:
              _target_: sesemi_search.models.backbones.CIFARResNet
              n: 1
              width: {int: [4, 12], log: true}
              drop_rate: {float: [0, 0.5]}
              in_channels: 1
          optimizer: *sgd
        wrn+linear:
          model:
            backbone:
              _target_: sesemi_search.models.backbones.WRN
              depth: 10
              k: 1
              drop_rate: {float: [0, 0.5]}
              in_channels: 1
          optimizer: *sgd
"""
# Names in the table: the last part of a parameter's, but for these.
_KEYS = {
    "hparams": "family",
    "batch_size_per_gpu": "bs",
    "weight_decay": "wd",
    "out_features": "width",
    "dim": "width",
    "drop_rate": "dropout",
}


class Digits(Dataset[tuple[npt.NDArray[np.float32], int]]):
    """The 1,797 digits of scikit-learn, 8x8 pixels."""

    def __init__(self) -> None:
        # No dependency of the program: only this script needs it.
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]

        digits = load_digits()
        self.images = (digits.images / 16).astype(np.float32)
        self.targets = digits.target

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[np.float32], int]:
        """Returns an image (8, 8) in [0, 1] and its label."""
        return self.images[index], int(self.targets[index])


def plan_search() -> Plan:
    """Returns the space, checked, and its images."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "space").mkdir()
        (Path(folder) / "space" / "digits.yaml").write_text(SPACE)
        overrides = ("space=digits", "search.baseline=false")
        return make_plan(compose_config(Request(search=True, overrides=overrides, config_dir=Path(folder))), print)


def draw_configs(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yields the parameters of all configs; the families take turns, so that a slow minute slows all."""
    families = next(d.domain for d in plan.space.dimensions if d.name == FAMILY).nodes  # type: ignore[union-attr]
    studies = []
    for seed, family in enumerate(families):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
        for _ in range(NUM_CONFIGS):
            study.enqueue_trial({FAMILY: family})
        studies.append(study)
    for _ in range(NUM_CONFIGS):
        for study in studies:
            yield plan.space.sample(study.ask())


def shorten(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns parameters by their names in the table, the family first."""
    last = {name: name.rpartition(".")[2] for name in params}
    short = {_KEYS.get(last[name], last[name]): value for name, value in params.items()}
    assert len(short) == len(params), f"two parameters have one name: {list(params)}"
    return {"family": short.pop("family"), **short}


def record(plan: Plan, data: Mapping[str, ImageSplit], params: Mapping[str, Any]) -> dict[str, Any]:
    """Trains a config; returns its line of the table."""
    config = type_experiment(plan.resolve(plan.space.apply(plan.experiment, params)))
    images = {name: open_images(name, split, config.data, config.run) for name, split in data.items()}
    fit = Fit(config, images["train"], images["val"])
    curves: dict[str, list[float | None]] = {"val": [], "test": []}
    seconds = []
    with suppress(Diverged):
        while fit.epoch < fit.num_epochs:
            metrics = fit.train_epoch() | fit.evaluate(images["test"], "test")
            seconds.append(metrics["epoch_seconds"])
            for name, curve in curves.items():
                curve.append(round(metrics[f"{name}/top1"], 4))
    missing = [None] * (fit.num_epochs - fit.epoch)
    epoch_s = round(statistics.median(seconds), 4) if seconds else None
    return {"config": shorten(params), **{name: curve + missing for name, curve in curves.items()}, "epoch_s": epoch_s}


def main() -> None:
    """Appends what the table lacks to it."""
    path = Path(sys.argv[1])
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]  # a line that was cut short is trained again
    write_text(path, whole)
    done = [json.loads(line)["config"] for line in whole.splitlines()]
    plan = plan_search()
    data = {**plan.data, **load_splits(plan.settings.data, Path(plan.settings.run.data_root), ("test",))}
    for number, params in enumerate(draw_configs(plan)):
        if shorten(params) in done:
            continue
        line = record(plan, data, params)
        with path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(number, line["config"], "val", line["val"][-1], "test", line["test"][-1], line["epoch_s"], flush=True)


if __name__ == "__main__":
    main()
