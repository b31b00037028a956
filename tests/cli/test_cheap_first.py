"""What is cheap to see is told before a branch is built; the number of classes follows the images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

NOTED = '''\
"""A backbone that leaves a file behind when it is built."""

from pathlib import Path

from faulty import Flat


class Noted(Flat):
    def __init__(self, out_features: int = 8) -> None:
        super().__init__(out_features)
        (Path(__file__).parents[1] / "built").touch()
'''
BACKBONE = "learner.hparams.model.backbone"
CLASSES = "learner.hparams.num_classes"
BIRDS = ["data=image_folder", "data.source.folder=birds", "data.image_size=32"]
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def project(project: Path) -> Path:
    """The test project, with 60 images of three classes, and a backbone that says when it is built."""
    (project / "src" / "noted.py").write_text(NOTED)
    rng = np.random.default_rng(0)
    for number in range(60):
        folder = project / "data" / "birds" / "robin wren finch".split()[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (project / "data" / "single" / "only").mkdir(parents=True)
    (project / "data" / "empty").mkdir()
    return project


RUN, CHECK = (
    [verb, "space=tiny", f"space.{BACKBONE}={{_target_: noted.Noted, out_features: {{int: [4, 8]}}}}"]
    for verb in ("run", "check")
)
TRAIN = ["train", "--config-name", "tiny", f"++{BACKBONE}={{_target_: noted.Noted}}"]


@pytest.mark.parametrize("argv", [RUN, CHECK, TRAIN], ids=["run", "check", "train"])
@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([*BIRDS, "data.source.folder=brids"], ["data.source.folder: there is no folder", "Did you mean 'birds'?"]),
        ([*BIRDS, "data.source.folder=brids", f"{CLASSES}=3"], ["data.source.folder: there is no folder"]),
        ([*BIRDS, "data.source.folder=empty"], ["data.source.folder", "data/empty has no folders"]),
        ([*BIRDS, "data.source.folder=single"], ["data.source: got", "which has 1 class; it takes 2 at least"]),
        ([*BIRDS, f"{CLASSES}=2"], [f"{CLASSES}: got 2, but the data has labels from 0 to 2; it takes 3"]),
        ([*BIRDS, f"{CLASSES}=4"], [f"{CLASSES}: got 4, but the data has labels from 0 to 2; it takes 3"]),
        ([f"{CLASSES}=8"], [f"{CLASSES}: got 8, but the data has labels from 0 to 9; it takes 10"]),
        (
            ["data=dataset", "data.source={_target_: faulty.exits.Colors, fault: none}"],
            [f"{CLASSES}: missing; faulty.exits.Colors does not say how many", f"Write {CLASSES}=VALUE"],
        ),
    ],
    ids=["no folder", "no folder, classes", "empty", "one class", "too few", "too many", "embedded", "unknown"],
)
def test_images_that_do_not_fit_are_told_before_a_model_is_built(
    argv: list[str], overrides: list[str], says: list[str], command: Command, project: Path
) -> None:
    code, output = command(*argv, *overrides)
    assert code == 2, output
    assert output.count("error:") == 1
    assert all(words in output for words in says), output
    assert not (project / "built").exists()


@pytest.mark.parametrize("place", ["taken/search", "taken", "x" * 300, "/proc/nowhere/search"])
@pytest.mark.parametrize(("argv", "key"), [(RUN, "search.dir"), (TRAIN, "run.dir")], ids=["run", "train"])
def test_a_folder_that_cannot_be_written_is_told_before_a_model_is_built(
    argv: list[str], key: str, place: str, command: Command, project: Path
) -> None:
    (project / "taken").write_text("a file")
    code, output = command(*argv, f"{key}={place}")
    assert code == 2, output
    assert f"error: {key}: " in output
    assert "cannot be written: " in output
    assert not (project / "built").exists()


def test_to_try_whether_a_folder_can_be_written_leaves_nothing_in_it(command: Command, project: Path) -> None:
    (project / "there").mkdir()
    for place in ("there", "there/below/it"):
        assert command(*RUN, f"search.dir={place}", f"{CLASSES}=8")[0] == 2
    assert list((project / "there").iterdir()) == []


def test_a_shown_config_has_the_number_of_classes_of_its_folder(command: Command) -> None:
    for argv in (["run", "space=tiny"], ["train", "--config-name", "tiny"]):
        code, output = command(*argv, *BIRDS, "--cfg", "job")
        assert code == 0
        assert yaml.safe_load(output)["learner"]["hparams"]["num_classes"] == 3


def test_a_shown_config_of_a_folder_that_is_not_there_leaves_the_number_open(command: Command) -> None:
    code, output = command("run", "space=tiny", *BIRDS, "data.source.folder=brids", "--cfg", "job")
    assert code == 0
    assert "num_classes: ???" in output


def test_a_run_on_a_folder_keeps_its_number_of_classes(command: Command, project: Path) -> None:
    code, output = command(*TRAIN, *BIRDS, "run.num_epochs=1", "data.val_size=6", "data.test_size=6", "tracking=none")
    assert code == 0, output
    (config,) = (project / "runs" / "tiny").glob("*/config.yaml")
    assert yaml.safe_load(config.read_text())["learner"]["hparams"]["num_classes"] == 3
