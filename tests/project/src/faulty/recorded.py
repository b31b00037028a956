"""A source that notes each of its images that is read, and can die when the first of the test split is."""

import os
import signal
from pathlib import Path

import numpy as np

from sesemi_search.data.decode import to_channels, to_size
from sesemi_search.data.sources import MNIST5k


class RecordedDigits:
    """600 digits, read one by one; $FAULTY_READS has a line for each that was read.

    With $FAULTY_DIES a process dies before it reads one that no process has read.
    """

    num_train = 600
    num_classes = 10

    def train(self) -> "DigitReader":
        return DigitReader()


class DigitReader:
    is_file_reader = False

    def __init__(self) -> None:
        digits = MNIST5k().train()
        chosen = np.arange(0, 5000, 5000 // 600)[:600]
        self._images, self.labels = digits.images[chosen], digits.labels[chosen]

    def read(self, index: int, size: int, channels: int) -> np.ndarray:
        reads = Path(os.environ["FAULTY_READS"])
        if os.environ.get("FAULTY_DIES") and str(index) not in reads.read_text().split():
            os.kill(os.getpid(), signal.SIGKILL)
        with reads.open("a") as file:
            file.write(f"{index}\n")
        return to_size(to_channels(self._images[index : index + 1], channels), size)[0]
