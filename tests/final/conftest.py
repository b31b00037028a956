"""A final run of the tutorial's experiment on a few hundred real digits, and a tracker that remembers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sesemi_search.config.schema import DataConfig, ExperimentConfig
from sesemi_search.final.train import FinalResult, train
from sesemi_search.project.sesemi_modules import install
from sesemi_search.tracking.tracker import RunStart

_SOURCES = Path(__file__).parents[2] / "experiments" / "src"


@dataclass
class RememberingTracker:
    """Keeps every event; `fail_after` raises KeyboardInterrupt at the end of that epoch, as Ctrl-C would."""

    fail_after: int | None = None
    starts: list[RunStart] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)
    ends: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def start(self, run: RunStart) -> None:
        self.starts.append(run)

    def log(self, number: int, epoch: int, metrics: Mapping[str, float]) -> None:
        assert number == 0
        assert "val/top1" in metrics
        self.epochs.append(epoch)
        if epoch == self.fail_after:
            raise KeyboardInterrupt

    def end(self, number: int, outcome: str, summary: Mapping[str, Any]) -> None:
        assert number == 0
        self.ends.append((outcome, dict(summary)))

    def close(self) -> None:
        raise AssertionError("a final run does not own its tracker")


@pytest.fixture(scope="module", autouse=True)
def tutorial_on_path() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(_SOURCES))
        install()
        yield


@pytest.fixture
def tracker() -> RememberingTracker:
    return RememberingTracker()


def make_experiment(data_root: Path) -> ExperimentConfig:
    """Returns LeNet5 with the cosine head, 4 epochs of 500 digits, 200 to validate and the rest for the test."""
    config = ExperimentConfig()
    config.run.id, config.run.num_epochs, config.run.batch_size_per_gpu = "unit", 4, 50
    config.run.data_root = str(data_root)
    config.data = DataConfig(
        source={"_target_": "sesemi_search.data.sources.MNIST5k"},
        image_size=32,
        channels=3,
        val_size=200,
        test_size=4300,
        split_seed=0,
        mean=[0.1307] * 3,
        std=[0.3081] * 3,
    )
    hparams = config.learner.hparams
    hparams.num_classes = 10
    hparams.model.backbone = {"_target_": "sesemi_tutorials.models.LeNet5"}
    hparams.model.head = {"_target_": "sesemi_tutorials.models.CosineSimilarityHead"}
    hparams.model.loss = {"_target_": "torch.nn.CrossEntropyLoss"}
    hparams.optimizer = {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True}
    hparams.lr_scheduler.scheduler = {
        "_target_": "sesemi_search.training.lr_schedules.PolynomialLR",
        "warmup_epochs": 1,
    }
    return config


@pytest.fixture
def experiment(tmp_path: Path) -> ExperimentConfig:
    return make_experiment(tmp_path / "data")


@pytest.fixture(scope="module")
def finished(tutorial_on_path: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[FinalResult, Path]:
    """A run of that experiment to its end, and its folder; to look at, not to change."""
    folder = tmp_path_factory.mktemp("finished") / "first"
    return train(make_experiment(folder.parent / "data"), folder, RememberingTracker()), folder


@pytest.fixture
def run(
    experiment: ExperimentConfig, tracker: RememberingTracker, tmp_path: Path, said: list[str]
) -> Callable[..., tuple[FinalResult, list[str]]]:
    """Carries out a final run; gives its result and what it said."""

    def carry_out(name: str = "first", with_tracker: RememberingTracker = tracker) -> tuple[FinalResult, list[str]]:
        said.clear()
        return train(experiment, tmp_path / name, with_tracker), list(said)

    return carry_out
