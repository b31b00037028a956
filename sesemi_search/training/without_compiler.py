"""Lets torch's optimizers work without its compiler, whose import takes a worker more than a second and 100 MB.

They import it when they are first used, to hide four methods from it and to break its graphs around `step` (seen in 2.9
to 2.14: `torch._compile._disable_dynamo`, `torch.optim.optimizer._use_grad_for_differentiable`). In a torch that does
this in another way nothing is changed, and the import takes its second.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer, optimizer

__all__ = ["spare_compiler"]


def spare_compiler() -> None:
    """Replaces what would import the compiler in torch's optimizers by what it amounts to without one.

    Nothing is replaced where the compiler is there already: somebody compiles.
    """
    if "torch._dynamo" in sys.modules:
        return
    hide, break_graph = (
        getattr(torch, "_disable_dynamo", None),
        getattr(optimizer, "_use_grad_for_differentiable", None),
    )
    for kind in (Optimizer, *Optimizer.__subclasses__()):
        for name, method in list(vars(kind).items()):
            if _is_made_by(hide, method):
                setattr(kind, name, method.__wrapped__)
            elif _is_made_by(break_graph, method):
                setattr(kind, name, _with_own_grad_mode(method.__wrapped__))


def _is_made_by(decorator: Callable[..., Any] | None, method: Any) -> bool:
    """Whether a method is what a decorator makes, each of which has the same code."""
    return decorator is not None and getattr(method, "__code__", None) is decorator(_plain).__code__


def _plain() -> None:
    """Something to decorate."""


def _with_own_grad_mode(step: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(step)
    def run(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return step(self, *args, **kwargs)

    return run
