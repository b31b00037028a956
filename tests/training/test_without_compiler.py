"""Optimizers that work without torch's compiler."""

import subprocess
import sys

import pytest

_TRAIN = """
import sys, torch
from sesemi_search.training.without_compiler import spare_compiler

spare_compiler()
model = torch.nn.Linear(3, 2)
for name in ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad"):
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    before = model.weight.detach().clone()
    optimizer.zero_grad()
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    schedule.step()
    assert not model.weight.equal(before), name
    assert torch.is_grad_enabled()
    optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_optimizers_train_without_the_import_of_the_compiler() -> None:
    assert run(_TRAIN) == "False"


@pytest.mark.parametrize("optimizer", ["SGD([p], lr=0.1, momentum=0.9)", "AdamW([p], lr=0.1)"])
def test_the_steps_are_those_of_torch(optimizer: str) -> None:
    train = (
        f"p = torch.nn.Parameter(torch.arange(3.0)); optimizer = torch.optim.{optimizer}\n"
        "for _ in range(3):\n"
        "    optimizer.zero_grad(); (p ** 2).sum().backward(); optimizer.step()\n"
        "print(p.tolist())"
    )
    spared = "from sesemi_search.training.without_compiler import spare_compiler; spare_compiler()"
    assert run(f"import torch\n{spared}\n{train}") == run(f"import torch\n{train}")
