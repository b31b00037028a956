"""What is saved of a model: names of classes, the way of its images, weights without a pickle."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import sesemi_search
from sesemi_search.data.source_facts import read_source_facts

Save = Callable[..., Path]


def write_folder(root: Path, *classes: str) -> dict[str, Any]:
    for name in classes:
        (root / "birds" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((5, 5), dtype=np.uint8)).save(root / "birds" / name / "a.png")
    return {"_target_": "sesemi_search.data.folder.ImageFolder", "folder": "birds"}


def test_classes_of_a_folder_have_the_names_of_its_folders(save_untrained: Save, tmp_path: Path) -> None:
    source = write_folder(tmp_path, "wren", "rödkönig", "robin")
    folder = save_untrained(source=source, num_classes=3)
    assert sesemi_search.load_model(folder).classes == ("robin", "rödkönig", "wren")
    assert "rödkönig" in (folder / "model.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "first"), [("FashionMNIST", "T-shirt/top"), ("CIFAR100", "apple"), ("MNIST", "0")])
def test_published_data_has_its_published_names(name: str, first: str, tmp_path: Path) -> None:
    node = {"_target_": f"sesemi_search.data.sources.{name}"}
    facts = read_source_facts(node, tmp_path, 100 if name == "CIFAR100" else 10)
    assert facts.classes[0] == first
    assert not list(tmp_path.iterdir())  # nothing was downloaded to know it


def test_a_source_of_ones_own_says_its_names_and_its_arrays_are_looked_at(tmp_path: Path) -> None:
    node = {"_target_": "tests.inference.test_save.Twins"}
    assert read_source_facts(node, tmp_path, 2) == (("left", "right"), (1, 6, 6))
    assert read_source_facts(node, tmp_path, 3).classes == ("0", "1", "2")


class Twins:
    """Two small gray images."""

    classes = ("left", "right")

    def train(self) -> Any:
        from sesemi_search.data import LabelledImages

        return LabelledImages(np.zeros((2, 1, 6, 6), dtype=np.uint8), np.arange(2))


def test_weights_are_saved_twice_and_are_the_same(save_untrained: Save) -> None:
    folder = save_untrained()
    weights, state = load_file(folder / "model.safetensors"), torch.load(folder / "model.pt", weights_only=True)
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[name], state[name]) for name in state)


def test_an_image_goes_the_way_that_the_training_images_went(save_untrained: Save) -> None:
    """A gray digit of 28 pixels gets a border, as in training, and one of any other size is made 28 first."""
    model = sesemi_search.load_model(save_untrained(image_size=32, mean=[0.0] * 3, std=[1.0] * 3))
    white = np.full((28, 28), 255, dtype=np.uint8)
    for image in (white, Image.fromarray(white).convert("RGB"), np.full((90, 140, 3), 255, dtype=np.uint8)):
        pixels = model.preprocess(image)
        assert pixels.shape == (3, 32, 32)
        assert pixels[:, 2:-2, 2:-2].eq(1).all()
        assert pixels.sum() == 3 * 28 * 28


def test_files_of_a_folder_are_prepared_as_training_decodes_them(save_untrained: Save, tmp_path: Path) -> None:
    from sesemi_search.data.decode import decode_file

    folder = save_untrained(source=write_folder(tmp_path, "a", "b"), num_classes=2)
    noise = np.random.default_rng(0).integers(256, size=(50, 31, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.jpg")
    model = sesemi_search.load_model(folder)
    expected = torch.from_numpy(decode_file(tmp_path / "noise.jpg", 8, 3)).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.preprocessing.mean, model.preprocessing.std))
    torch.testing.assert_close(model.preprocess(tmp_path / "noise.jpg"), (expected - mean) / std)


def test_the_description_says_in_words_how_an_image_is_prepared(save_untrained: Save) -> None:
    written = json.loads((save_untrained(image_size=32) / "model.json").read_text())
    steps = " ".join(written["preprocessing"]["steps"])
    for words in ("28 x 28", "border of zeros, to 32 x 32", "Repeat the gray channel to 3", "Divide by 255"):
        assert words in steps
