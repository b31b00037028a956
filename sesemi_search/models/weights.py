"""Pretrained weights: whether they are wanted now, and that every one of them fits.

Where weights come from is each backbone's own business. The check of a space builds models without them: it needs
shapes, and must not download.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from sesemi_search.errors import ConfigError

__all__ = ["load_strictly", "weights_wanted", "without_weights"]

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
