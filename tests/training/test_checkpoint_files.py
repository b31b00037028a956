"""Checkpoints: whole or absent, and never code."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from sesemi_search.training import load_checkpoint, save_checkpoint
from sesemi_search.training.checkpoint import CheckpointError


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(
        tmp_path / "last.pt", {"epoch": 3, "weights": torch.arange(4), "history": [{"lr": 0.1}], "ema": None}
    )
    state = load_checkpoint(tmp_path / "last.pt")
    assert torch.equal(state.pop("weights"), torch.arange(4))
    assert state == {"epoch": 3, "history": [{"lr": 0.1}], "ema": None}
    assert list(tmp_path.iterdir()) == [tmp_path / "last.pt"]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", {"epoch": 1})
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_checkpoint(tmp_path / "last.pt", {"weights": torch.zeros(10_000), "epoch": lambda: 2})
    assert load_checkpoint(tmp_path / "last.pt") == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [tmp_path / "last.pt"]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    save_checkpoint(tmp_path / "last.pt", {"epoch": 1})
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path / "last.pt", {"epoch": 2})
    assert load_checkpoint(tmp_path / "last.pt") == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [tmp_path / "last.pt"]


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.pt: there is no such checkpoint"):
        load_checkpoint(tmp_path / "nowhere.pt")


@pytest.mark.parametrize("kept", [0, 10, 500])
def test_a_checkpoint_cut_short_is_said_to_be(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="cut short or not a checkpoint"):
        load_checkpoint(path)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"epoch": Harmful()}, tmp_path / "harmful.pt")
    with pytest.raises(CheckpointError, match=r"harmful\.pt: it holds pickled objects, which are not executed\.$"):
        load_checkpoint(tmp_path / "harmful.pt")
    assert not (tmp_path / "ran").exists()


def test_a_tensor_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(CheckpointError, match="it holds a Tensor"):
        load_checkpoint(tmp_path / "tensor.pt")
