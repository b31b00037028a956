"""Checkpoints on disk: written whole or not at all, read without executing anything.

A checkpoint is a mapping of plain values and tensors. It is loaded with `weights_only=True`, so a file from elsewhere
cannot run code, and it holds no pickled object.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sesemi_search.atomic import atomic_file
from sesemi_search.errors import SesemiSearchError
from sesemi_search.models.weights import describe_unreadable

__all__ = ["CheckpointError", "load_checkpoint", "save_checkpoint"]


class CheckpointError(SesemiSearchError):
    """A checkpoint that cannot be read."""


def save_checkpoint(path: Path, state: Mapping[str, Any], wait_for_disk: bool = True) -> None:
    """Writes a checkpoint atomically: a reader, or a crash at any moment, finds the old file or the new one.

    Args:
        path: The file; its folder exists.
        state: Plain values and tensors.
        wait_for_disk: Whether it is to be there after a power cut too.

    Raises:
        OSError: The disk is full, say. The old file is still there, and no temporary one is left.
    """
    with atomic_file(path, wait_for_disk) as file:
        torch.save(dict(state), file)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU.

    Raises:
        CheckpointError: The file is missing, cut short, not a checkpoint, or holds objects.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and its unpickler fail in many ways on a broken file
        raise CheckpointError(f"{path}: {describe_unreadable(error)}.") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: not a checkpoint; it holds a {type(state).__name__}.")
    return state
