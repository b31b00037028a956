"""Lets torch work without its compiler until somebody compiles: the import takes more than a second and 100 MB.

torch imports it to hide functions from it, methods of optimizers and what stands for operations on the meta device, and
to break its graphs around an optimizer's step (seen in 2.9 to 2.14: `torch._compile._disable_dynamo`,
`torch.optim.optimizer._use_grad_for_differentiable`). A module that knows these two stands in for it. To whoever asks
for anything else it gives the compiler, which then knows what is to be hidden from it.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["spare_compiler"]

_COMPILER = "torch._dynamo"
_HIDDEN = "__dynamo_disable"  # where `_disable_dynamo` keeps what the compiler made of a function


def spare_compiler() -> None:
    """Puts the stand-in where the compiler would be; nothing is done where one of them is."""
    if _COMPILER not in sys.modules:
        sys.modules[_COMPILER] = _StandIn(_COMPILER)


class _StandIn(ModuleType):
    """Takes the compiler's place for `import torch._dynamo`."""

    def __init__(self, name: str) -> None:
        super().__init__(name, __doc__)
        self.__file__ = __file__  # whoever goes through all modules asks each for it
        self._hidden: list[Callable[..., Any]] = []

    def disable(self, function: Callable[..., Any], *_arguments: Any, **_options: Any) -> Callable[..., Any]:
        """Hides a function from a compiler that is not there."""
        self._hidden.append(function)
        return function

    def graph_break(self, *_arguments: Any, **_options: Any) -> None:
        """Breaks no graph: none is made."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # which the import of a submodule asks for
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self._give_way(), name)

    def _give_way(self) -> ModuleType:
        """Imports the compiler, which hides anew what was hidden."""
        if sys.modules.get(_COMPILER) is self:
            del sys.modules[_COMPILER]
            for function in self._hidden:
                vars(function).pop(_HIDDEN, None)
            self._hidden.clear()
        return importlib.import_module(_COMPILER)
