"""An epoch of a trial beside one of the bare loop: the step, and the way of a batch to the model.

One CPU thread, batch 128, float32, SGD with momentum, the digits at 32x32. Both train the same model and evaluate after
each epoch, in turns, so that a slow minute of the machine slows both; the ratio is the median of those of the turns,
the first not counted.

- Fit: what a trial does, with seeds, schedule, metrics, and uint8 pixels that are normalized batch by batch.
- bare: `bare_loop.py` on the same images, as floats that were normalized beforehand.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.gpu_speed import MEAN, STD, experiment
from benchmarks.speed.bare_loop import BareLoop, polynomial_schedule
from benchmarks.speed.task import BATCH_SIZE, Split
from sesemi_search.data import InMemoryImages, LabelledImages, Preparation, load_splits
from sesemi_search.models import build_classifier
from sesemi_search.project.sesemi_modules import install
from sesemi_search.training import Fit

__all__ = ["MODELS", "Step", "measure"]

# Images to train with: enough for a second or two an epoch on one core.
MODELS = {"LeNet5": 4_000, "CIFARResNet-20": 256, "ViT": 256}
_NUM_VAL = 128


class Step(NamedTuple):
    """Seconds of an epoch, turn by turn.

    Attributes:
        model: Name of the model.
        num_steps: Training steps of the epoch.
        ours_s: As a trial trains.
        bare_s: As the bare loop does.
        our_batches_s: The batches of an epoch without a model.
        bare_batches_s: The same, of the bare loop.
    """

    model: str
    num_steps: int
    ours_s: list[float]
    bare_s: list[float]
    our_batches_s: list[float]
    bare_batches_s: list[float]

    @property
    def ratio(self) -> float:
        """Our epoch to the bare one's."""
        return statistics.median(ours / bare for ours, bare in zip(self.ours_s, self.bare_s, strict=True))


def measure(model: str, num_turns: int) -> Step:
    """Lets Fit and the bare loop train a model in turns."""
    install()
    torch.set_num_threads(1)
    num_images = MODELS[model]
    config = experiment(model)
    splits = load_splits(config.data, Path("unused"), ("train", "val"))
    sizes = {"train": num_images, "val": _NUM_VAL if num_images < len(splits["train"]) else len(splits["val"])}
    memory = {name: _open(splits[name], size) for name, size in sizes.items()}
    bare = {name: Split(*next(images.batches(len(images)))) for name, images in memory.items()}
    hparams = config.learner.hparams
    net = build_classifier(hparams.model.backbone, hparams.model.head, 10)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    num_steps = num_images // BATCH_SIZE
    schedule = polynomial_schedule(optimizer, num_steps, config.run.num_epochs)
    loop = BareLoop(net, optimizer, schedule, bare["train"], bare["val"])
    parts: list[Callable[[], object]] = [
        Fit(config, memory["train"], memory["val"]).train_epoch,
        loop.train_epoch,
        lambda: list(map(len, _our_batches(memory["train"]))),
        lambda: list(map(len, loop.batches())),
    ]
    seconds: list[list[float]] = [[] for _ in parts]
    for turn in range(num_turns + 1):
        for place in range(len(parts)):
            which = (turn + place) % len(parts)
            start = time.perf_counter()
            parts[which]()
            if turn:
                seconds[which].append(time.perf_counter() - start)
    step = Step(model, num_steps, *seconds)
    print(f"{model}: {step.ratio:.3f} x bare", file=sys.stderr)
    return step


def _open(split: object, size: int) -> InMemoryImages:
    """Opens the first images of a split."""
    assert isinstance(split, LabelledImages)
    return InMemoryImages(LabelledImages(split.images[:size], split.labels[:size]), Preparation(MEAN, STD, 3))


def _our_batches(images: InMemoryImages) -> Iterator[tuple[Tensor, Tensor]]:
    return images.batches(BATCH_SIZE, torch.randperm(len(images)), True)
