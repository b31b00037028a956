"""What is seen of a forward pass from outside: the layers that it went through, and the tensors that it saved."""

from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

__all__ = ["SavedTensors", "Watch", "shape_of"]

_MAX_REPR = 120


class Watch:
    """Remembers the last layers that a forward pass entered and left, to name the one that failed."""

    def __init__(self, classifier: nn.Module) -> None:
        self._entered = ""
        self._left = ""
        for name, module in classifier.named_modules():
            if not list(module.children()):
                module.register_forward_pre_hook(lambda module, args, name=name: self._enter(name, module, args))
                module.register_forward_hook(lambda module, _, output, name=name: self._leave(name, module, output))

    @property
    def places(self) -> str:
        """Where the pass has come to: the layer that it left last, and the one that it is in."""
        return "; ".join(place for place in (self._left, self._entered) if place) or "before its first layer"

    def _enter(self, name: str, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._entered = f"{name} = {str(module)[:_MAX_REPR]} got {', '.join(map(shape_of, args))}"

    def _leave(self, name: str, module: nn.Module, output: Any) -> None:
        self._left = f"{name} = {type(module).__name__} gave {shape_of(output)}"
        self._entered = ""


class SavedTensors:
    """Records, inside a `with` block, what autograd saves for the backward pass."""

    def __init__(self) -> None:
        self._hooks = saved_tensors_hooks(self._pack, lambda tensor: tensor)
        # By storage: views of one count once. The tensors are kept, so that no address is used twice.
        self._saved: dict[int, Tensor] = {}

    def __enter__(self) -> "SavedTensors":
        self._hooks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hooks.__exit__(kind, error, traceback)

    def num_bytes(self, module: nn.Module) -> int:
        """Returns the bytes of all that was saved, but for the parameters and buffers of a module."""
        own = {_storage(tensor) for tensor in (*module.parameters(), *module.buffers())}
        return sum(t.untyped_storage().nbytes() for address, t in self._saved.items() if address not in own)

    def _pack(self, tensor: Tensor) -> Tensor:
        self._saved.setdefault(_storage(tensor), tensor.detach())
        return tensor.detach()  # the tensor itself would hold on to the graph that holds it


def shape_of(value: Any) -> str:
    """Returns the shape of a tensor, the type of anything else."""
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def _storage(tensor: Tensor) -> int:
    # The address of the storage object: on the meta device there is no data to have one.
    return int(tensor.untyped_storage()._cdata)
