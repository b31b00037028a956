"""A model that `train` left, files of its test images, and models that no training was spent on."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sesemi_search
from sesemi_search.cli import main
from sesemi_search.config.schema import DataConfig, ExperimentConfig
from sesemi_search.data import load_splits
from sesemi_search.inference import save_model
from sesemi_search.inference.locate import read_config
from sesemi_search.models import build_classifier

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a final run of the tutorial's experiment, with 500 test images; to look at, not to change."""
    root = tmp_path_factory.mktemp("using") / "project"
    for part in ("configs", "src"):
        shutil.copytree(ROOT / "experiments" / part, root / part)
    result = sesemi_search.train(
        config_name="mnist_lenet5_cosine",
        config_dir=root / "configs",
        project=root,
        overrides=["data=mnist5k", "tracking=none", "run.accelerator=cpu"],
        run={"num_epochs": 2, "num_threads": 1},
    )
    logging.getLogger("sesemi_search").handlers.clear()  # which would print in the first test
    return result.run_dir


@pytest.fixture
def run_dir(trained: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture(scope="session")
def digits(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test images of that run as PNG files, in a folder for each class."""
    folder = tmp_path_factory.mktemp("digits")
    config = read_config(trained)
    config.data.image_size = 28  # as they were published
    test = load_splits(config.data, Path(config.run.data_root), ("test",))["test"]
    for number, (pixels, label) in enumerate(zip(test.take(np.arange(len(test))), test.labels, strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(pixels[0]).save(folder / str(label) / f"{number:03d}.png")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder outside of any project."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.fixture
def stdout(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command line that ends well; gives its standard output."""
    monkeypatch.chdir(project)

    def run(*argv: str) -> str:
        code = main(argv)
        captured = capfd.readouterr()
        assert code == 0, captured
        return captured.out

    return run


@pytest.fixture
def save_untrained(tmp_path: Path) -> Callable[..., Path]:
    """Saves a linear model of small images that is as it was built, by data and parts; gives its folder."""

    def save(backbone: dict[str, Any] | None = None, num_classes: int = 10, **data: Any) -> Path:
        config = ExperimentConfig()
        config.run.data_root = str(tmp_path)
        config.data = DataConfig(
            **{
                "source": {"_target_": "sesemi_search.data.sources.MNIST5k"},
                "image_size": 8,
                "channels": 3,
                "mean": [0.5] * 3,
                "std": [0.2, 0.3, 0.4],
                **data,
            }
        )
        parts, hparams = config.learner.hparams.model, config.learner.hparams
        hparams.num_classes = num_classes
        inputs = config.data.channels, config.data.image_size
        parts.backbone = backbone or {
            "_target_": "sesemi_search.models.backbones.MLP",
            "in_channels": inputs[0],
            "image_size": inputs[1],
        }
        parts.head = {"_target_": "sesemi_search.models.heads.LinearHead"}
        folder = tmp_path / "saved"
        folder.mkdir()
        save_model(folder, build_classifier(parts.backbone, parts.head, num_classes), config)
        return folder

    return save
