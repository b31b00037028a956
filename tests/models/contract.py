"""What training, the pre-flight and checkpoints need of every backbone and every head."""

import copy
import io
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["check_module"]


def check_module(build: Callable[[], nn.Module], inputs: Tensor, width: int) -> None:
    """Holds a module to the contract: inputs (B, ...) give outputs (B, width)."""
    torch.manual_seed(0)
    module = build()
    _check_training(module, inputs, width)
    _check_evaluation(module, inputs, width)
    _check_state(module, build(), inputs)
    _check_bfloat16(module, inputs, width)
    _check_meta(build, inputs, width)


def _check_training(module: nn.Module, inputs: Tensor, width: int) -> None:
    outputs = module.train()(inputs)
    assert outputs.shape == (len(inputs), width)
    assert outputs.dtype == torch.float32
    (outputs * torch.randn_like(outputs)).sum().backward()
    for name, parameter in module.named_parameters():
        assert (parameter.grad is not None) is parameter.requires_grad, name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


@torch.no_grad()
def _check_evaluation(module: nn.Module, inputs: Tensor, width: int) -> None:
    """In evaluation an image's outputs are its own: not its batch's, and the same each time."""
    kept = inputs.clone()
    outputs = module.eval()(inputs)
    assert torch.equal(inputs, kept), "the inputs were changed"
    assert outputs.isfinite().all()
    assert torch.equal(outputs, module(inputs))
    one = module(inputs[:1])
    assert one.shape == (1, width)
    torch.testing.assert_close(one, outputs[:1], rtol=1e-3, atol=1e-4)


@torch.no_grad()
def _check_state(module: nn.Module, other: nn.Module, inputs: Tensor) -> None:
    """The weights and a copy hold all that there is."""
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(module.eval()(inputs), other.eval()(inputs))
    copied = copy.deepcopy(module)
    assert torch.equal(module(inputs), copied(inputs))
    assert not {p.data_ptr() for p in module.parameters()} & {p.data_ptr() for p in copied.parameters()}


def _check_bfloat16(module: nn.Module, inputs: Tensor, width: int) -> None:
    module.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = module.train()(inputs)
        outputs.float().square().mean().backward()
    assert outputs.shape == (len(inputs), width)
    assert outputs.isfinite().all()
    assert all(
        p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in module.parameters() if p.requires_grad
    )


def _check_meta(build: Callable[[], nn.Module], inputs: Tensor, width: int) -> None:
    with torch.device("meta"):
        module = build()
        outputs = module(torch.empty_like(inputs, device="meta"))
    assert outputs.is_meta
    assert outputs.shape == (len(inputs), width)
    assert all(tensor.is_meta for tensor in [*module.parameters(), *module.buffers()])
