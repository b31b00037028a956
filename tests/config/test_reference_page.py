"""The tutorial "Custom Backbones and Heads" of SESEMI, typed in as printed, is a working project.

`custom_backbones_and_heads.rst` is a copy of the page; its code blocks are taken out byte for byte.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

PAGE = Path(__file__).with_name("custom_backbones_and_heads.rst")
NAME = "mnist_lenet5_cosine"


def code_blocks(language: str) -> list[str]:
    """The code blocks of the page in one language, without their indentation."""
    blocks = re.findall(rf"^\.\. code-block:: {language}\n\n((?:  .*\n?|\s*\n)+)", PAGE.read_text(), re.MULTILINE)
    return [textwrap.dedent(block).strip("\n") + "\n" for block in blocks]


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A project that holds what the page prints, and nothing else."""
    root = tmp_path / "fresh"
    package = root / "src" / "sesemi_tutorials"
    package.mkdir(parents=True)
    (root / "configs").mkdir()
    interface, lenet, head_interface, head = code_blocks("python")
    assert interface.startswith("class Backbone(nn.Module)")
    assert head_interface.startswith("class Head(nn.Module)")
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(lenet + "\n\n" + head)
    (config,) = code_blocks("yaml")
    (root / "configs" / f"{NAME}.yaml").write_text(config)
    return root


def sesemi_search(cwd: Path, *argv: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a command line in a process of its own, with warnings as errors and no path but the given one."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONWARNINGS")} | {
        "PYTHONPATH": path
    }
    command = [sys.executable, "-W", "error", "-m", "sesemi_search", *argv]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def test_the_page_is_whole() -> None:
    assert (len(code_blocks("python")), len(code_blocks("yaml"))) == (4, 1)


def test_the_config_as_printed_composes_without_a_warning(fresh: Path) -> None:
    done = sesemi_search(fresh, "train", "--config-name", NAME, "--cfg", "job")
    assert (done.returncode, done.stderr) == (0, "")
    config = yaml.safe_load(done.stdout)
    assert config["learner"]["hparams"]["model"]["backbone"] == {"_target_": "sesemi_tutorials.models.LeNet5"}
    assert config["learner"]["hparams"]["optimizer"]["lr"] == 0.1
    assert (config["run"]["num_epochs"], config["run"]["id"], config["run"]["seed"]) == (100, NAME, 42)


def test_the_code_as_printed_trains(fresh: Path) -> None:
    argv = ("train", "--config-name", NAME, "data=mnist5k", "run.num_epochs=1", "tracking=none")
    done = sesemi_search(fresh, *argv)
    assert done.returncode == 0, done.stderr
    assert "test/top1" in done.stdout
    assert "SESEMI" not in done.stdout + done.stderr
    assert next((fresh / "runs" / NAME).glob("*/model.pt")).stat().st_size > 200_000


def test_an_installed_sesemi_wins(fresh: Path, tmp_path: Path) -> None:
    for module, name in (("backbones", "Backbone"), ("heads", "Head")):
        package = tmp_path / "installed" / "sesemi" / "models" / module
        package.mkdir(parents=True)
        (package / "base.py").write_text(f"import torch.nn as nn\n\n\nclass {name}(nn.Module):\n    theirs = True\n")
        for folder in (package, package.parent, package.parent.parent):
            (folder / "__init__.py").touch()
    script = fresh / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom sesemi_search.project.project import Project, activate\n"
        "activate(Project(Path('.').resolve()))\nfrom sesemi_tutorials.models import LeNet5\nprint(LeNet5.theirs)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run([sys.executable, str(script)], cwd=fresh, env=environment, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("True", "")
