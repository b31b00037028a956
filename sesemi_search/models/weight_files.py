"""Files of weights: read without executing anything, under the names that a model has by itself.

Training wraps a model, and its names get prefixes. Those that say nothing about the model are taken off here.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from sesemi_search.errors import ArgumentError

__all__ = ["are_weights", "check_path", "describe_unreadable", "read_weights"]

# What torch's unpickler says of objects; anything else that it says is of a broken file.
_OF_OBJECTS = ("GLOBAL", "Can only build", "Can only create", "was not an allowed")


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
