"""Ray Tune as its documentation and PyTorch's tutorial "Hyperparameter tuning with Ray Tune" have it.

A function that builds a data set with torchvision's transforms and a DataLoader with worker processes, reports metrics
and a checkpoint each epoch; Tune's own CSV, JSON and TensorBoard loggers and the `WandbLoggerCallback`, offline; each
trial in an actor of its own.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray import tune
from ray.air.integrations.wandb import WandbLoggerCallback
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.speed.bare_loop import build_model, polynomial_schedule
from benchmarks.speed.peers import read_arguments
from benchmarks.speed.peers.ray_tune import fit, tune_config
from benchmarks.speed.task import BATCH_SIZE, NUM_EPOCHS, NUM_SLOTS, load_arrays

_NUM_WORKERS = 2


class DigitsDataset(Dataset[tuple[Tensor, int]]):
    """Digits as torchvision's data sets give them: one PIL image at a time, transformed."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        from torchvision import transforms

        steps = [transforms.Pad(2), transforms.Grayscale(3), transforms.ToTensor()]
        self._transform = transforms.Compose([*steps, transforms.Normalize([0.1307] * 3, [0.3081] * 3)])
        self._images, self._labels = images, labels

    def __len__(self) -> int:
        """The number of images."""
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Returns an image (3, 32, 32) and its label."""
        from PIL import Image

        return self._transform(Image.fromarray(self._images[index])), int(self._labels[index])


def train_digits(config: dict[str, Any]) -> None:
    """Trains one trial."""
    datasets = {name: DigitsDataset(*arrays) for name, arrays in load_arrays().items()}
    train = DataLoader(datasets["train"], BATCH_SIZE, shuffle=True, drop_last=True, num_workers=_NUM_WORKERS)
    val = DataLoader(datasets["val"], BATCH_SIZE, num_workers=_NUM_WORKERS)
    model, loss_function = build_model(config["out_features"]), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=config["lr"],
        momentum=config["momentum"],
        weight_decay=config["weight_decay"],
        nesterov=True,
    )
    schedule = polynomial_schedule(optimizer, len(train), NUM_EPOCHS)
    for _ in range(NUM_EPOCHS):
        model.train()
        running_loss = 0.0
        for images, labels in train:
            optimizer.zero_grad()
            loss = loss_function(model(images), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            running_loss += loss.item()
        model.eval()
        right = 0
        with torch.no_grad():
            for images, labels in val:
                right += (model(images).argmax(1) == labels).sum().item()
        metrics = {"top1": right / len(datasets["val"]), "loss": running_loss / len(train)}
        with tempfile.TemporaryDirectory() as folder:
            torch.save((model.state_dict(), optimizer.state_dict()), Path(folder, "checkpoint.pt"))
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def main() -> None:
    """Searches."""
    num_trials, seed = read_arguments()
    os.environ["WANDB_DIR"] = str(Path.cwd())
    ray.init("local", num_cpus=NUM_SLOTS)
    callbacks: list[tune.Callback] = [WandbLoggerCallback(project="speed")]
    run_config = tune.RunConfig(name="digits", storage_path=str(Path.cwd()), callbacks=callbacks)
    fit(train_digits, tune_config(num_trials, seed), run_config)


if __name__ == "__main__":
    main()
