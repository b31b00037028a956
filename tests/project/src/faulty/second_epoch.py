"""Backbones that work for one epoch, and one that counts its epochs."""

import atexit
import os
import threading
import time
from pathlib import Path

import torch
from sesemi.models.backbones.base import Backbone
from torch import Tensor, nn


class Counted(Backbone):
    """Works; takes time over a batch, and adds a line to the file $FAULTY_EPOCHS as it begins an epoch.

    Epochs are counted in a buffer, which is in the checkpoint.
    """

    def __init__(self, out_features: int = 8, batch_seconds: float = 0.01) -> None:
        super().__init__()
        self.out_features = out_features
        self.batch_seconds = batch_seconds
        self.layers = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(192, out_features))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    def train(self, mode: bool = True) -> "Counted":
        if mode and self.epochs.device.type != "meta":
            self.epochs += 1
            self.begin_epoch(int(self.epochs))
        return super().train(mode)

    def begin_epoch(self, epoch: int) -> None:
        if path := os.environ.get("FAULTY_EPOCHS"):
            with Path(path).open("a") as file:
                file.write(f"epoch {epoch} in process {os.getpid()}\n")

    def forward(self, images: Tensor) -> Tensor:
        if images.device.type != "meta":
            time.sleep(self.batch_seconds)
        return self.layers(images)


class Raises(Counted):
    """Raises in its second epoch."""

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        if epoch == 2:
            raise RuntimeError("this backbone does not like its second epoch")


class OutOfMemory(Counted):
    """Has no GPU memory left in its second epoch."""

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        if epoch == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


class Exits(Counted):
    """Ends its process in its second epoch, as the kernel does where memory runs out."""

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        if epoch == 2:
            os._exit(1)


class Hangs(Counted):
    """Waits in its second epoch for a lock that it holds."""

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        lock = threading.Lock()
        lock.acquire()
        if epoch == 2:
            lock.acquire()


class HangsAtOnce(Counted):
    """Waits in its first epoch for a lock that it holds."""

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()


class Hoards(Counted):
    """Keeps 256 MB more of the host's memory with each batch of its second epoch, up to 5 GB."""

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        self._kept: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        if features.device.type != "meta" and self.epochs == 2:
            if len(self._kept) < 20:
                self._kept.append(torch.ones(64, 1024, 1024))
            time.sleep(0.25)  # so that the memory monitor, which looks four times a second, sees it grow
        return features


class NotANumber(Counted):
    """Gives NaN from its second epoch on."""

    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        if features.device.type != "meta" and self.epochs >= 2:
            return features * float("nan")
        return features


class SlowToLetGo(Counted):
    """Takes 5 s when it is let go, and as its process ends."""

    def begin_epoch(self, epoch: int) -> None:
        super().begin_epoch(epoch)
        if epoch == 1:
            atexit.register(time.sleep, 5)

    def __del__(self) -> None:
        if "epochs" in self.__dict__.get("_buffers", {}) and self.epochs.device.type != "meta":
            time.sleep(5)
