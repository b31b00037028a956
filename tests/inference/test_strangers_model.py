"""A model from a stranger: nothing in it is executed but the classes of models that it names."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import sesemi_search
from sesemi_search.data.source_facts import recall_source_facts
from sesemi_search.errors import ConfigError

Save = Callable[..., Path]


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self._folder),)


def change(folder: Path, **values: Any) -> None:
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(content | values))


def test_a_pickle_is_refused_and_not_executed(save_untrained: Save, tmp_path: Path) -> None:
    folder = save_untrained()
    (folder / "model.safetensors").unlink()
    for write in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        write({"weights": Evil(tmp_path / "owned")}, folder / "model.pt")
        with pytest.raises(ConfigError, match=r"holds pickled objects, which are not executed|not a checkpoint"):
            sesemi_search.load_model(folder)
    assert not (tmp_path / "owned").exists()


def nodes(call: dict[str, Any]) -> list[dict[str, Any]]:
    mlp = {"_target_": "sesemi_search.models.backbones.MLP", "image_size": 8}
    return [call, {**mlp, "width": call}, {**mlp, "width": [{"deep": [call]}]}]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("target", ["os.mkdir", "torch.nn.functional.os.mkdir", "sesemi_search.cli.sys.modules.clear"])
def test_nothing_but_classes_of_modules_is_called(
    place: int, target: str, save_untrained: Save, tmp_path: Path
) -> None:
    folder = save_untrained()
    call = {"_target_": target, "_args_": [str(tmp_path / "owned")]}
    change(folder, backbone=nodes(call)[place])
    with pytest.raises(ConfigError, match=r"is no class of a torch.nn.Module|does not exist"):
        sesemi_search.load_model(folder)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["folder.ImageFolder", "sources.MNIST", "sources.instantiate"])
def test_nothing_is_called_to_name_the_classes_of_a_strangers_data(name: str, tmp_path: Path) -> None:
    call = {"_target_": "os.mkdir", "_args_": [str(tmp_path / "owned")]}
    node = {"_target_": f"sesemi_search.data.{name}"}
    for given in ({**node, "folder": call}, {**node, "data_root": call}, {**node, "_args_": [call]}, call):
        assert recall_source_facts(given, tmp_path, 2).classes == ("0", "1")
    assert not (tmp_path / "owned").exists()


def test_what_makes_a_module_is_called_for_those_who_trust_it(save_untrained: Save) -> None:
    folder = save_untrained({"_target_": "sesemi_search.models.backbones.MLP", "image_size": 8})
    change(folder, backbone={"_target_": "tests.inference.test_strangers_model.make_backbone"})
    with pytest.raises(ConfigError, match="trust=True"):
        sesemi_search.load_model(folder)
    assert len(sesemi_search.load_model(folder, trust=True).classes) == 10


def make_backbone() -> torch.nn.Module:
    from sesemi_search.models.backbones import MLP

    return MLP(8)


def test_no_resolver_runs_in_a_strangers_config(save_untrained: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    folder = save_untrained()
    change(folder, backbone={"_target_": "sesemi_search.models.backbones.MLP", "image_size": "${oc.env:SECRET}"})
    with pytest.raises(ConfigError, match="interpolation") as refused:
        sesemi_search.load_model(folder)
    assert "hunter2" not in str(refused.value)
    (folder / "model.json").unlink()
    (folder / "config.yaml").write_text("run: {num_epochs: 1, id: '${oc.env:SECRET}'}\n")
    with pytest.raises(ConfigError, match="interpolation") as refused:
        sesemi_search.load_model(folder)
    assert "hunter2" not in str(refused.value)


def test_the_code_of_a_strangers_project_is_not_imported(
    save_untrained: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, theirs, mine = save_untrained(), tmp_path / "theirs", tmp_path / "mine"
    for root in (theirs, mine):
        (root / "configs").mkdir(parents=True)
        (root / "src").mkdir()
    monkeypatch.chdir(mine)
    source = "from pathlib import Path\nPath({!r}).touch()\nfrom sesemi_search.models.backbones import MLP\n"
    (theirs / "src" / "their_models.py").write_text(source.format(str(tmp_path / "owned")))
    change(folder, backbone={"_target_": "their_models.MLP", "image_size": 8})
    (folder / "provenance.json").write_text(json.dumps({"project": str(theirs)}))
    with pytest.raises(ConfigError, match="cannot be imported") as refused:
        sesemi_search.load_model(folder)
    assert f"Looked in the project {mine} too. The model was made with {theirs}." in str(refused.value)
    monkeypatch.chdir(folder)  # which says what its project is
    with pytest.raises(ConfigError, match="cannot be imported"):
        sesemi_search.load_model(folder)
    assert not (tmp_path / "owned").exists()
    monkeypatch.chdir(mine)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    assert len(sesemi_search.load_model(folder, project=theirs).classes) == 10
    assert (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "describes no model"),
        ('{"format": "sesemi-search model", "version": 99}', "version 99"),
        ('{"format": "sesemi-search model", "version": 1}', "cannot be read"),
    ],
)
def test_a_broken_description_is_told_by_its_path(content: str, message: str, save_untrained: Save) -> None:
    folder = save_untrained()
    (folder / "model.json").write_text(content)
    with pytest.raises(ConfigError, match=message) as refused:
        sesemi_search.load_model(folder)
    assert str(refused.value).startswith(str(folder / "model.json"))


def test_weights_that_do_not_fit_and_folders_without_any_are_told(save_untrained: Save, tmp_path: Path) -> None:
    folder = save_untrained()
    change(folder, classes=["a", "b"])
    with pytest.raises(ConfigError, match=r"does not fit the model .*head.linear.weight \(10, 256\) for \(2, 256\)"):
        sesemi_search.load_model(folder)
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ConfigError, match=r"model.safetensors: it cannot be read"):
        sesemi_search.load_model(folder)
    for path, message in {"none": "no such folder", "model.txt": "is no model", ".": "holds no model"}.items():
        (tmp_path / "model.txt").touch()
        with pytest.raises(ConfigError, match=message):
            sesemi_search.load_model(tmp_path / path)


def test_a_name_that_no_file_can_have_is_no_model() -> None:
    with pytest.raises(ConfigError, match="there is no model"):
        sesemi_search.load_model("9" * 400)
