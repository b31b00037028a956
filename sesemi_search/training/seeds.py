"""Random numbers that depend on the run's seed and the epoch alone.

Every epoch seeds all generators anew. A run that goes on from a checkpoint then draws what the undisturbed run would
have drawn, without any generator's state in the checkpoint; and nothing that ran before in the process matters.
"""

import random

import numpy as np
import torch

__all__ = ["seed_epoch"]


def seed_epoch(seed: int, epoch: int) -> None:
    """Seeds Python's, numpy's and torch's generators.

    Args:
        seed: `run.seed`, any int.
        epoch: 0 for the construction of the model, from 1 on for training.
    """
    # SeedSequence mixes well where sums like seed + epoch would give two runs the same epochs; it takes no sign.
    words = np.random.SeedSequence([abs(seed), int(seed < 0), epoch]).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))
    torch.manual_seed(int(words[2]))
