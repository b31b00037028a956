"""Pretrained weights: whether they are wanted now, how a file of them is read, and that every one of them fits.

Where weights come from is each backbone's own business. The check of a space builds models without them: it needs
shapes, and must not download.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sesemi_search.config.errors import ConfigError

__all__ = ["check_path", "load_strictly", "read_weights", "weights_wanted", "without_weights"]

_withheld: ContextVar["Withheld | None"] = ContextVar("withheld", default=None)
_SHOWN = 3  # of the names that differ


@dataclass
class Withheld:
    """Whether anything asked for its weights while they were withheld."""

    was_asked: bool = False


@contextmanager
def without_weights() -> Iterator[Withheld]:
    """Inside, `weights_wanted` is false: models are built for their shapes. Yields whether one asked."""
    withheld = Withheld()
    token = _withheld.set(withheld)
    try:
        yield withheld
    finally:
        _withheld.reset(token)


def weights_wanted() -> bool:
    """Whether a constructor is to load (and, where they are missing, download) its pretrained weights.

    A backbone of yours that loads weights asks this first, and only then. On the meta device, where tensors have no
    content, they are never wanted.
    """
    withheld = _withheld.get()
    if withheld is not None:
        withheld.was_asked = True
        return False
    return torch.get_default_device().type != "meta"


def check_path(checkpoint: str) -> None:
    """Checks that a file of weights is there, so that the check before any trial says so.

    Raises:
        ValueError: It is not, or the path is relative: trials run in folders of their own.
    """
    if not Path(checkpoint).is_absolute():
        raise ValueError(
            f"{checkpoint=} is a relative path; it takes an absolute one, as ${{run.data_root}}/weights/NAME.pt"
        )
    if not Path(checkpoint).is_file():
        raise ValueError(f"{checkpoint=}; there is no such file")


def read_weights(checkpoint: str) -> Mapping[str, Tensor]:
    """Reads the weights in a file; nothing is unpickled but tensors.

    Args:
        checkpoint: safetensors, or a state dict saved by torch: by itself or under the key `state_dict` or `model`.

    Raises:
        ValueError: It holds something else.
    """
    try:
        if checkpoint.endswith(".safetensors"):
            from safetensors.torch import load_file

            return load_file(checkpoint)
        content: Any = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle, zip and safetensors each raise their own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{checkpoint=} cannot be read: {reason}") from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{checkpoint=} holds no state dict; it takes what torch.save(model.state_dict(), path) wrote")
    return content


def load_strictly(model: nn.Module, weights: Mapping[str, Tensor], source: str, without: Iterable[str] = ()) -> None:
    """Loads weights, every one of which must be there and fit.

    Args:
        model: What to load them into.
        weights: By name.
        source: Where they are from, for the message.
        without: Modules whose weights may be there and are passed over: a classifier that was taken off.

    Raises:
        ConfigError: Names or shapes differ.
    """
    prefixes = tuple(f"{name}." for name in without)
    own = model.state_dict()
    kept = OrderedDict((name, value) for name, value in weights.items() if not name.startswith(prefixes))
    reshaped = {name: kept.pop(name).shape for name in own if name in kept and kept[name].shape != own[name].shape}
    if hasattr(weights, "_metadata"):  # the version of each module, by which it knows names that it had before
        kept._metadata = weights._metadata  # type: ignore[attr-defined]
    result = model.load_state_dict(kept, strict=False)
    # Files from before torch 0.4 have no counts of batches, which nothing needs that keeps a moving average.
    missing = [n for n in result.missing_keys if n not in reshaped and not n.endswith("num_batches_tracked")]
    differences = {
        "missing": missing,
        "unknown": result.unexpected_keys,
        "of another shape": [f"{n} {tuple(shape)} for {tuple(own[n].shape)}" for n, shape in reshaped.items()],
    }
    found = [f"{len(names)} {what} ({_shown(names)})" for what, names in differences.items() if names]
    if found:
        raise ConfigError(f"the weights of {source} do not fit {type(model).__name__}: {'; '.join(found)}.")


def _shown(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
