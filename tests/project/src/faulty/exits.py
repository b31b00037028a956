"""Modules that raise what is no Exception, or an exception that cannot be shown."""

import sys
from typing import Any

import torch
from torch import Tensor, nn

from faulty import Flat


class Panic(BaseException):
    """As libraries in Rust raise."""


class Mute(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class ExitsWhenBuilt(Flat):
    def __init__(self) -> None:
        super().__init__()
        sys.exit()


class ExitsInForward(Flat):
    def forward(self, images: Tensor) -> Tensor:
        sys.exit(0)


class PanicsInForward(Flat):
    def forward(self, images: Tensor) -> Tensor:
        raise Panic("index out of bounds\nat lib.rs")


class MuteInForward(Flat):
    def forward(self, images: Tensor) -> Tensor:
        raise Mute


class MuteWhenBuilt(Flat):
    def __init__(self) -> None:
        super().__init__()
        raise Mute


class ExitsInEvaluation(Flat):
    def train(self, mode: bool = True) -> "ExitsInEvaluation":
        return super().train(mode) if mode else sys.exit(3)


class ExitsForItsWidth(nn.Module):
    @property
    def out_features(self) -> int:
        sys.exit("no width")


class ExitsInBackward(Flat):
    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        features.register_hook(lambda _: sys.exit(0))
        return features


class ExitsInEpoch2(Flat):
    def train(self, mode: bool = True) -> "ExitsInEpoch2":
        if mode and self.training is False:
            sys.exit(0)
        return super().train(mode)


class MuteInEpoch2(Flat):
    def train(self, mode: bool = True) -> "MuteInEpoch2":
        if mode and self.training is False:
            raise Mute
        return super().train(mode)


class ExitingLoss(nn.Module):
    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        sys.exit(0)


class ExitingSGD(torch.optim.SGD):
    def step(self, closure: Any = None) -> None:
        sys.exit(0)


class ExitingLR(torch.optim.lr_scheduler.LRScheduler):
    def get_lr(self) -> list[float]:
        return sys.exit(0) if self.last_epoch > 1 else self.base_lrs


class Colors:
    """24 images of one color each, listed by class, of which one can be bad."""

    def __init__(self, fault: str) -> None:
        self.fault = fault

    def __len__(self) -> int:
        if self.fault == "length":
            raise RuntimeError("not connected")
        return sys.exit(0) if self.fault == "exit" else 24

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index == 7 and self.fault == "item":
            sys.exit(0)
        return torch.full((3, 8, 8), index, dtype=torch.uint8), index % 2
