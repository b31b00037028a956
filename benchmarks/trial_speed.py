"""How fast an epoch of a trial is, beside a bare loop and beside a DataLoader of torchvision transforms.

    python benchmarks/trial_speed.py

LeNet5 with the cosine head on 4,000 digits, batch 128, float32, one CPU thread, SGD; each epoch is followed by an
evaluation of 500 images. The three take turns, so that a slow minute of the machine slows all; medians are printed.
On 2 cores it takes about 40 s; expect about 1.0 for Fit and 3 to 5 for the DataLoader.

- bare: float images normalized beforehand and kept in memory, gathered by a random order. Nothing else: no seeds, no
  schedule, no metrics in training.
- Fit: what a trial and the final run do, with seeds, schedule, metrics and uint8 pixels normalized batch by batch.
- DataLoader: uint8 images through PIL, Pad, ToTensor and Normalize, in the training process (num_workers=0).
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from sesemi_search.config.schema import DataConfig, ExperimentConfig
from sesemi_search.data import InMemoryImages, LabelledImages, Preparation, load_splits
from sesemi_search.models import build_classifier
from sesemi_search.project.sesemi_modules import install
from sesemi_search.training import Fit

ROUNDS = 15
BATCH_SIZE = 128
MEAN, STD = 0.1307, 0.3081


def experiment() -> ExperimentConfig:
    """Returns the tutorial's experiment on mnist5k."""
    config = ExperimentConfig()
    config.run.num_epochs = ROUNDS + 1
    config.run.batch_size_per_gpu = BATCH_SIZE
    config.data = DataConfig(
        source={"_target_": "sesemi_search.data.sources.MNIST5k"},
        image_size=32,
        channels=3,
        val_size=500,
        test_size=500,
        split_seed=0,
        mean=[MEAN] * 3,
        std=[STD] * 3,
    )
    hparams = config.learner.hparams
    hparams.num_classes = 10
    hparams.model.backbone = {"_target_": "sesemi_tutorials.models.LeNet5"}
    hparams.model.head = {"_target_": "sesemi_tutorials.models.CosineSimilarityHead"}
    hparams.model.loss = {"_target_": "torch.nn.CrossEntropyLoss"}
    hparams.optimizer = {"_target_": "torch.optim.SGD", "lr": 0.05, "momentum": 0.9, "nesterov": True}
    hparams.lr_scheduler.scheduler = {"_target_": "sesemi_search.training.lr_schedules.PolynomialLR"}
    return config


class TorchvisionDigits(Dataset[tuple[Tensor, int]]):
    """Digits as a torchvision data set gives them: one PIL image at a time, transformed."""

    def __init__(self, labelled: LabelledImages) -> None:
        # torchvision takes seconds to import; only this contender needs it.
        from torchvision import transforms

        steps = [transforms.Pad(2), transforms.Grayscale(3), transforms.ToTensor()]
        self.transform = transforms.Compose([*steps, transforms.Normalize([MEAN] * 3, [STD] * 3)])
        self.labelled = labelled

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labelled)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Returns an image (3, 32, 32) and its label."""
        from PIL import Image

        image = Image.fromarray(self.labelled.images[index, 0, 2:-2, 2:-2])  # as MNIST stores them: 28x28
        return self.transform(image), int(self.labelled.labels[index])


def plain_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, train: Callable[[], Any], val: Callable[[], Any]
) -> None:
    """Trains one epoch and counts right answers on the validation images, as the shortest loop does."""
    loss = nn.CrossEntropyLoss()
    model.train()
    for images, labels in train():
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum((model(images).argmax(1) == labels).sum() for images, labels in val())
    assert int(right) > 0


def contenders(splits: dict[str, LabelledImages]) -> dict[str, Callable[[], object]]:
    """Returns, by name, functions that each train one epoch and evaluate."""
    config = experiment()
    memory = {name: InMemoryImages(split, Preparation([MEAN] * 3, [STD] * 3, 3)) for name, split in splits.items()}
    floats = {name: next(images.batches(len(images))) for name, images in memory.items()}
    loaders = {
        name: DataLoader(TorchvisionDigits(split), BATCH_SIZE, shuffle=name == "train", drop_last=name == "train")
        for name, split in splits.items()
    }

    def gathered(name: str) -> Any:
        images, labels = floats[name]
        chunks = torch.arange(len(labels)).split(BATCH_SIZE)
        if name == "train":
            chunks = torch.randperm(len(labels)).split(BATCH_SIZE)[: len(labels) // BATCH_SIZE]
        return ((images[chunk], labels[chunk]) for chunk in chunks)

    def plain(train: Callable[[], Any], val: Callable[[], Any]) -> Callable[[], None]:
        hparams = config.learner.hparams
        model = build_classifier(hparams.model.backbone, hparams.model.head, 10)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
        return lambda: plain_epoch(model, optimizer, train, val)

    return {
        "bare": plain(lambda: gathered("train"), lambda: gathered("val")),
        "Fit": Fit(config, memory["train"], memory["val"]).train_epoch,
        "DataLoader": plain(lambda: loaders["train"], lambda: loaders["val"]),
    }


def main() -> None:
    """Runs the contenders in turn and prints medians and ratios."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "experiments" / "src"))
    install()
    torch.set_num_threads(1)
    runs = contenders(load_splits(experiment().data, Path("data"), ("train", "val")))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(ROUNDS + 1):
        for name, epoch in runs.items():
            start = time.perf_counter()
            epoch()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - start)
    bare = statistics.median(seconds["bare"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:<12}{median:7.3f} s an epoch   {median / bare:5.2f} x bare   (fastest {min(values):.3f} s)")


if __name__ == "__main__":
    main()
