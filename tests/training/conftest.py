"""The tutorial's experiment on a few hundred real digits."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sesemi_search.config.schema import DataConfig, ExperimentConfig
from sesemi_search.data import InMemoryImages, LabelledImages, Preparation, load_splits
from sesemi_search.project.sesemi_modules import install
from sesemi_search.training import Fit

_SOURCES = Path(__file__).parents[2] / "experiments" / "src"
_MEAN, _STD = [0.1307] * 3, [0.3081] * 3


@pytest.fixture(autouse=True)
def tutorial_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_SOURCES))
    install()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LabelledImages]:
    """330 digits to train and 100 to validate."""
    source = {"_target_": "sesemi_search.data.sources.MNIST5k"}
    data = DataConfig(
        source, image_size=32, channels=3, val_size=100, test_size=4570, split_seed=0, mean=_MEAN, std=_STD
    )
    return load_splits(data, tmp_path_factory.mktemp("none"), ("train", "val"))


@pytest.fixture
def experiment() -> ExperimentConfig:
    """LeNet5 with a linear head and dropout, SGD, polynomial schedule, 3 epochs of 5 steps."""
    config = ExperimentConfig()
    config.run.num_epochs, config.run.batch_size_per_gpu = 3, 64
    hparams = config.learner.hparams
    hparams.num_classes = 10
    hparams.model.backbone = {"_target_": "sesemi_tutorials.models.LeNet5"}
    hparams.model.head = {"_target_": "sesemi_search.models.heads.LinearHead", "dropout": 0.2}
    hparams.model.loss = {"_target_": "torch.nn.CrossEntropyLoss"}
    hparams.optimizer = {"_target_": "torch.optim.SGD", "lr": 0.05, "momentum": 0.9}
    hparams.lr_scheduler.scheduler = {
        "_target_": "sesemi_search.training.lr_schedules.PolynomialLR",
        "warmup_epochs": 1,
    }
    return config


@pytest.fixture
def build_fit(digits: dict[str, LabelledImages]) -> Callable[[ExperimentConfig], Fit]:
    def build(config: ExperimentConfig, device: str = "cpu") -> Fit:
        images = {name: InMemoryImages(split, Preparation(_MEAN, _STD, 3, device)) for name, split in digits.items()}
        return Fit(config, images["train"], images["val"])

    return build
