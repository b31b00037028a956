"""The training loop that one writes by hand where the data is in memory: the floor, and that of the quick peers.

Images lie in memory as the floats that the model takes and are gathered by a random order; the schedule steps with the
optimizer, right answers are counted on the validation images once an epoch. No seeds, no metrics of training, nothing
written.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from benchmarks.speed.task import BATCH_SIZE, NUM_EPOCHS, STEPS_PER_EPOCH, Digits, Params, Split

__all__ = ["BareLoop", "CosineHead", "build_loop", "build_model", "polynomial_schedule"]

_WARMUP_EPOCHS, _WARMUP_LR, _POWER = 3, 0.001, 0.5


class CosineHead(nn.Module):
    """Features (B, D) to the cosines of their angles to D-dimensional weights, (B, K)."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_classes, in_features))
        nn.init.kaiming_normal_(self.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Returns the cosines."""
        return torch.cosine_similarity(self.weight[None], features[:, None], dim=-1)


class BareLoop:
    """Trains one model, an epoch a call.

    Args:
        model: Images (B, C, H, W) to logits (B, K).
        optimizer: Of its parameters.
        schedule: Steps with the optimizer; None keeps the rate.
        train: Training images.
        val: Validation images.
        batch_size: B; a last batch of training that is not full is left out.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        schedule: LRScheduler | None,
        train: Split,
        val: Split,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self._model, self._optimizer, self._schedule = model, optimizer, schedule
        self._train, self._val, self._batch_size = train, val, batch_size
        self._loss = nn.CrossEntropyLoss()

    def train_epoch(self) -> float:
        """Trains an epoch; returns the share of right answers on the validation images."""
        self._model.train()
        for images, labels in self.batches():
            self._optimizer.zero_grad()
            self._loss(self._model(images), labels).backward()
            self._optimizer.step()
            if self._schedule is not None:
                self._schedule.step()
        return self._score()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the training batches of an epoch, in a random order."""
        images, labels = self._train
        order = torch.randperm(len(labels))
        for start in range(0, len(labels) - self._batch_size + 1, self._batch_size):
            chunk = order[start : start + self._batch_size]
            yield images[chunk], labels[chunk]

    @torch.no_grad()
    def _score(self) -> float:
        images, labels = self._val
        self._model.eval()
        right = torch.zeros((), dtype=torch.int64)
        for start in range(0, len(labels), self._batch_size):
            chunk = slice(start, start + self._batch_size)
            right += (self._model(images[chunk]).argmax(1) == labels[chunk]).sum()
        return int(right) / len(labels)


def build_model(out_features: int) -> nn.Module:
    """Builds the tutorial's LeNet5 with its cosine head: images (B, 3, 32, 32) to logits (B, 10)."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, 2), nn.ReLU(inplace=True),
        nn.Conv2d(6, 16, 5, 2), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(inplace=True),
        nn.Linear(120, out_features), nn.ReLU(inplace=True),
        CosineHead(out_features, 10),
    )  # fmt: skip


def polynomial_schedule(optimizer: Optimizer, steps_per_epoch: int, num_epochs: int) -> LambdaLR:
    """Returns three epochs of linear warm-up from 0.001, then a decay to zero with the square root of what is left."""
    lr = float(optimizer.param_groups[0]["lr"])
    warmup, total = _WARMUP_EPOCHS * steps_per_epoch, num_epochs * steps_per_epoch

    def factor(step: int) -> float:
        if step < warmup:
            return (_WARMUP_LR + (lr - _WARMUP_LR) * step / warmup) / lr
        return float(max(0.0, 1 - (step - warmup) / (total - warmup)) ** _POWER)

    return LambdaLR(optimizer, factor)


def build_loop(params: Params, digits: Digits) -> BareLoop:
    """Builds the loop of one point of the space."""
    model = build_model(params.out_features)
    optimizer = SGD(
        model.parameters(),
        lr=params.lr,
        momentum=params.momentum,
        weight_decay=params.weight_decay,
        nesterov=True,
    )
    schedule = polynomial_schedule(optimizer, STEPS_PER_EPOCH, NUM_EPOCHS)
    return BareLoop(model, optimizer, schedule, *digits)
