"""The names `sesemi.*`: ours, once, unless SESEMI is there."""

import importlib
import logging
import sys
from pathlib import Path

import pytest

from sesemi_search.config.targets import locate
from sesemi_search.project.project import Project, activate
from sesemi_search.project.sesemi_modules import install

TARGETS = {
    "sesemi.LinearHead": "LinearHead",
    "sesemi.PyTorchImageModel": "TimmBackbone",
    "sesemi.TorchVisionBackbone": "TorchVisionBackbone",
    "sesemi.models.backbones.timm.PyTorchImageModel": "TimmBackbone",
    "sesemi.models.backbones.torchvision.TorchVisionBackbone": "TorchVisionBackbone",
    "sesemi.models.backbones.resnet.CIFARResNet": "CIFARResNet",
    "sesemi.models.backbones.resnet.WRN": "WRN",
    "sesemi.models.heads.linear.LinearHead": "LinearHead",
}
MODULES = ("models.backbones.base", "models.heads.base", "models.heads", "models", "data.sources")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_the_same_under_both_names(module: str) -> None:
    install()
    assert importlib.import_module(f"sesemi.{module}") is importlib.import_module(f"sesemi_search.{module}")


def test_a_class_is_the_same_under_both_names() -> None:
    install()
    theirs = importlib.import_module("sesemi.models.heads")
    assert theirs.LinearHead is importlib.import_module("sesemi_search.models.heads").LinearHead
    assert importlib.import_module("sesemi").models.heads is theirs


def test_a_line_says_so_once_and_only_where_a_config_has_such_a_name(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        install()
        for module in MODULES:
            importlib.import_module(f"sesemi.{module}")
        locate("sesemi_search.models.heads.LinearHead", "head")
        assert caplog.messages == []
        for target in TARGETS:
            locate(target, "head")
    assert len(caplog.messages) == 1
    assert "SESEMI is not installed" in caplog.text


def test_installing_twice_is_installing_once() -> None:
    install()
    finders = list(sys.meta_path)
    install()
    assert sys.meta_path == finders


def test_a_name_that_we_do_not_have_is_missing_under_its_own_name() -> None:
    install()
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'sesemi\.trainer'"):
        importlib.import_module("sesemi.trainer.cli")


def test_a_package_in_the_project_wins(tmp_path: Path) -> None:
    package = tmp_path / "src" / "sesemi"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("theirs = True\n")
    activate(Project(tmp_path))
    assert importlib.import_module("sesemi").theirs


def test_a_mere_folder_of_that_name_does_not_hide_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sesemi" / "models").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    install()
    ours = importlib.import_module("sesemi_search.models.backbones.base").Backbone
    assert importlib.import_module("sesemi.models.backbones.base").Backbone is ours


@pytest.mark.parametrize(("target", "name"), TARGETS.items())
def test_a_target_of_sesemis_configs_is_ours(target: str, name: str) -> None:
    install()
    found = locate(target, "learner.hparams.model")
    assert found.__name__ == name
    assert found.__module__.startswith("sesemi_search.")


def test_a_name_that_sesemi_has_and_we_do_not_is_missing() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Classifier'"):
        _ = importlib.import_module("sesemi_search").Classifier
