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
print("torch._dynamo.eval_frame" in sys.modules)
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


_ON_META = """
import sys, torch
from sesemi_search.training.without_compiler import spare_compiler

spare_compiler()
with torch.device("meta"):
    layers = torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(196, 2)
    model = torch.nn.Sequential(*layers)
    model(torch.randn(4, 1, 9, 9)).sum().backward()
print("torch._dynamo.eval_frame" in sys.modules)
"""


def test_models_are_built_on_the_meta_device_without_the_import_of_the_compiler() -> None:
    assert run(_ON_META) == "False"


@pytest.mark.parametrize("asks", ["torch.compiler.reset()", "import torch._dynamo.config"])
def test_whoever_asks_for_the_compiler_gets_it_with_what_is_hidden_from_it(asks: str) -> None:
    after = (
        f"{asks}\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1); optimizer.zero_grad(); optimizer.step()\n"
        "doubled = torch.compile(lambda x: 2 * x, backend='eager')(torch.ones(2)).tolist()\n"
        "hidden = torch.optim.Optimizer.zero_grad.__wrapped__\n"
        "print('torch._dynamo.eval_frame' in sys.modules, doubled, getattr(hidden, '__dynamo_disable') is hidden)"
    )
    assert run(f"{_ON_META}\n{_TRAIN}\n{after}").splitlines()[-1] == "True [2.0, 2.0] False"
