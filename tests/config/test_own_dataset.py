"""A data set of the user's own: the example of docs/data.md as it is printed there, over a small Dataset."""

import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
DIGITS = '''\
"""Real digits, 200 to train and 100 to test, behind the arguments of torchvision's SVHN."""

from sesemi_search.data.sources import MNIST5k


class Digits:
    def __init__(self, root, split="train", download=False):
        digits = MNIST5k().train()
        part = slice(0, 4000, 20) if split == "train" else slice(5, 2000, 20)
        self.images, self.labels = digits.images[part].reshape(-1, 28, 28, 1), digits.labels[part]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.images[index], int(self.labels[index])
'''
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def example() -> str:
    """The config in the documentation, its images those of the class above."""
    text = DOCS.read_text().split("## Your own data set\n")[1].split("\n## ")[0]
    block = re.search(r"(?:^    .*\n|^\n(?=    ))+", text, flags=re.MULTILINE)
    assert block
    return textwrap.dedent(block[0]).replace("torchvision.datasets.SVHN", "mine_digits.Digits")


def test_the_documented_example_trains(command: Command, project: Path, example: str) -> None:
    assert example.count("mine_digits.Digits") == 2
    (project / "src" / "mine_digits.py").write_text(DIGITS)
    (project / "configs" / "svhn.yaml").write_text(example)
    quick = ("tracking=none", "run.num_epochs=1", "data.val_size=50", "learner.hparams.model.backbone.n=1")
    code, output = command("train", "--config-name", "svhn", *quick)
    assert code == 0, output
    assert "test/top1" in output
    config = yaml.safe_load(next(project.rglob("runs/**/config.yaml")).read_text())
    assert config["data"]["source"]["_target_"] == "mine_digits.Digits"
    assert len(config["data"]["mean"]) == len(config["data"]["std"]) == config["data"]["channels"] == 3


def test_a_dataset_that_is_not_named_is_missed(command: Command) -> None:
    code, output = command("train", "--config-name", "small", "data=dataset")
    assert code == 2
    assert "data.source: missing; no config sets it" in output
