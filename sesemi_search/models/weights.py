"""Pretrained weights: whether they are wanted now, files of them, and that every one of them fits.

Where weights come from is each backbone's own business. The check of a space builds models without them: it needs
shapes, and must not download. Files are read without executing anything, under the names that a model has by itself:
training wraps a model, and its names get prefixes. Those that say nothing about the model are taken off here.
"""

import pickle
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present
from torch.nn.parameter import is_lazy

from sesemi_search.errors import ArgumentError, ConfigError

__all__ = [
    "are_weights",
    "check_path",
    "describe_unreadable",
    "load_strictly",
    "read_weights",
    "weights_wanted",
    "without_weights",
]

_withheld: ContextVar["Withheld | None"] = ContextVar("withheld", default=None)
_SHOWN = 3  # of the names that differ
# What torch's unpickler says of objects; anything else that it says is of a broken file.
_OF_OBJECTS = ("GLOBAL", "Can only build", "Can only create", "was not an allowed")


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
        ArgumentError: It is not, or the path is relative: trials run in folders of their own.
    """
    if not Path(checkpoint).is_absolute():
        raise ArgumentError(
            "checkpoint",
            f"{checkpoint=} is a relative path; it takes an absolute one, as ${{run.data_root}}/weights/NAME.pt",
        )
    if not Path(checkpoint).is_file():
        raise ArgumentError("checkpoint", f"{checkpoint=}; there is no such file")


def describe_unreadable(error: Exception) -> str:
    """Says in a line why torch could not read a file with `weights_only=True`: its own words are a page."""
    if isinstance(error, pickle.UnpicklingError) and any(words in str(error) for words in _OF_OBJECTS):
        return "it holds pickled objects, which are not executed"
    return f"it is cut short or not a checkpoint ({type(error).__name__})"


def are_weights(content: object) -> TypeGuard[dict[str, Tensor]]:
    """Whether what was read from a file is tensors by name, and nothing else but what modules add to them."""
    return isinstance(content, dict) and all(
        isinstance(k, str) and (isinstance(v, Tensor) or k.endswith("_extra_state")) for k, v in content.items()
    )


def read_weights(checkpoint: str, device: torch.device) -> Mapping[str, Tensor]:
    """Reads the weights of an encoder, from a file of its own or of a whole classifier.

    Args:
        checkpoint: safetensors, or a state dict saved by torch: by itself or under the key `state_dict` or `model`.
            The prefix `module.` of all names is taken off. Of a classifier of this program, whose backbone has an
            `encoder`, the encoder's weights are taken and the head's passed over.
        device: Where the tensors go. On `meta` only names and shapes are read.

    Raises:
        ValueError: It cannot be read, or holds something else.
    """
    try:
        content = _read(checkpoint, device)
    except Exception as error:  # torch, pickle, zip and safetensors each raise their own
        raise ValueError(f"{describe_unreadable(error)}; save model.state_dict() again") from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not are_weights(content):
        raise ValueError("it holds no state dict; it takes what torch.save(model.state_dict(), path) wrote")
    if content and all(name.startswith("module.") for name in content):
        consume_prefix_in_state_dict_if_present(content, "module.")
    if any(name.startswith("backbone.encoder.") for name in content):
        for name in [name for name in content if name.startswith("head.")]:
            del content[name]
        for prefix in ("backbone.", "encoder."):  # one by one, for torch takes a prefix without a dot inside
            consume_prefix_in_state_dict_if_present(content, prefix)
    return content


def _read(checkpoint: str, device: torch.device) -> Any:
    if not checkpoint.endswith(".safetensors"):
        return torch.load(checkpoint, map_location=device, weights_only=True)
    from safetensors import safe_open

    if device.type != "meta":
        from safetensors.torch import load_file

        return load_file(checkpoint, device=str(device))
    with safe_open(checkpoint, framework="pt") as file:
        return {name: torch.empty(file.get_slice(name).get_shape(), device=device) for name in file.keys()}


def load_strictly(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    opening: str,
    without: Iterable[str] = (),
    advice: str = "",
    key: str = "",
) -> None:
    """Loads weights, every one of which must be there and fit; counts of batches (of batch norm) may be missing.

    Between tensors of the meta device it compares names and shapes, and there is nothing to copy.

    Args:
        model: What to load them into.
        weights: By name.
        opening: How the message begins: whose weights they are, and that they do not fit.
        without: Modules whose weights may be there and are passed over: a classifier that was taken off.
        advice: How the message ends.
        key: The dotted key that the weights come from, where there is one.

    Raises:
        ConfigError: Names or shapes differ.
    """
    prefixes = tuple(f"{name}." for name in without)
    own = {n: v.shape for n, v in model.state_dict().items() if isinstance(v, Tensor) and not is_lazy(v)}
    kept = OrderedDict((name, value) for name, value in weights.items() if not name.startswith(prefixes))
    reshaped: dict[str, torch.Size] = {}
    if hasattr(weights, "_metadata"):  # the version of each module, by which it knows names that it had before
        kept._metadata = weights._metadata  # type: ignore[attr-defined]
    try:
        result = model.load_state_dict(kept, strict=False)
    except RuntimeError:  # over shapes, of which a module may also take others than its own
        reshaped = {n: kept.pop(n).shape for n in own if n in kept and kept[n].shape != own[n]}
        result = model.load_state_dict(kept, strict=False)
    # Files from before torch 0.4 have no counts of batches, which nothing needs that keeps a moving average.
    missing = [n for n in result.missing_keys if n not in reshaped and not n.endswith("num_batches_tracked")]
    differences = {
        "missing": missing,
        "unknown": result.unexpected_keys,
        "of another shape": [f"{n} {tuple(shape)} for {tuple(own[n])}" for n, shape in reshaped.items()],
    }
    found = [f"{len(names)} {what} ({_shown(names)})" for what, names in differences.items() if names]
    if any(_is_for_color(shape, own[name]) for name, shape in reshaped.items()):
        advice = "They are for images of 3 channels: data.channels=3 repeats a gray one."
    if found:
        raise ConfigError(key, f"{opening}: {'; '.join(found)}. {advice}".rstrip())


def _is_for_color(given: torch.Size, own: torch.Size) -> bool:
    """Whether a convolution takes 3 channels in the weights, and 1 in a model that is else the same."""
    return len(given) == len(own) == 4 and (given[1], own[1]) == (3, 1) and (given[0], given[2:]) == (own[0], own[2:])


def _shown(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
