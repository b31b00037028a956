"""A YAML file that is broken: exit code 2, one message that names the file, no traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

Command = Callable[..., tuple[int, str]]
BROKEN: dict[str, tuple[str | bytes, list[str]]] = {
    "syntax": ("run:\n  seed: [1\n  id: x\n", ["/broken.yaml, line 3", "not YAML"]),
    "tab": ("run:\n\tseed: 3\n", ["/broken.yaml, line 2", "not YAML"]),
    "key twice": ("run:\n  seed: 1\n  seed: 2\n", ["/broken.yaml, line 3", "duplicate key seed"]),
    "unclosed": ("run: {seed: 1\n", ["/broken.yaml, line 2", "not YAML"]),
    "unknown key": ("run: {num_epoch: 1}\n", ["broken.yaml: run.num_epoch", "Did you mean 'num_epochs'?"]),
    "unknown section": ("model: {a: 1}\n", ["broken.yaml: model", "has no key 'model'"]),
    "missing default": (
        "defaults: [/base/supervised/modelx]\n",
        ["broken.yaml: there is no base/supervised/modelx.yaml", "Did you mean 'model'?", "There are"],
    ),
    "missing option": (
        "defaults: [{/base/supervised/optimizer: sdg}]\n",
        ["broken.yaml: there is no base/supervised/optimizer/sdg.yaml", "Did you mean 'sgd'?"],
    ),
    "missing group": ("defaults: [/nowhere/x]\n", ["broken.yaml: there is no nowhere/x.yaml"]),
    "no defaults list": ("defaults: 3\n", ["'broken'", "defaults must be a list"]),
    "odd defaults list": ("defaults: [[1]]\n", ["a defaults list holds names"]),
    "itself": ("defaults: [/broken]\n", ["a defaults list leads back to its own file"]),
    "anchor in itself": ("run: &a {id: x, seed: *a}\n", ["a YAML anchor contains itself"]),
    "latin-1": ("# gr\xfc\xdfe\nrun: {id: gr\xfc\xdfe}\n".encode("latin-1"), ["/broken.yaml", "not UTF-8"]),
    "binary": (bytes(range(128, 256)), ["/broken.yaml", "not UTF-8"]),
    "a list": ("- a\n- b\n", ["broken.yaml: holds a list; a config is a mapping"]),
    "a word": ("hello\n", ["broken.yaml: hello: the config has no key 'hello'"]),
    "null for a section": ("run: null\n", ["broken.yaml: run"]),
    "list for a section": ("run: [1]\n", ["broken.yaml: run: got [1]; it is a mapping"]),
    "wrong type": ("run: {num_epochs: many}\n", ["broken.yaml: run.num_epochs", "'many'"]),
    "half an interpolation": ("run: {id: '${'}\n", ["run.id"]),
    "control character": ("run: {id: \x01}\n", ["/broken.yaml", "not YAML"]),
}
BROKEN_SPACES: dict[str, tuple[str, list[str]]] = {
    "no space": ("", ["space: missing"]),
    "null": ("space: null\n", ["space: got None; it takes a mapping"]),
    "list": ("space: [1]\n", ["space: got [1]; it takes a mapping"]),
    "word": ("space: hello\n", ["space: got 'hello'; it takes a mapping"]),
    "syntax": ("space: {run: {seed: [}}\n", ["/broken.yaml, line 3", "not YAML"]),
    "unknown key": ("searchx: {num_trials: 3}\n", ["broken.yaml: searchx", "Did you mean 'search'?"]),
}


def check(code: int, output: str, says: list[str]) -> None:
    assert code == 2, output
    assert "Traceback" not in output
    assert output.startswith("error: ")
    for words in says:
        assert words in output


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("mode", [("--cfg", "job"), ()], ids=["cfg", "train"])
def test_a_broken_experiment(name: str, mode: tuple[str, ...], command: Command, project: Path) -> None:
    content, says = BROKEN[name]
    (project / "configs" / "broken.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    check(*command("train", "--config-name", "broken", *mode), says)


def test_an_empty_experiment_lacks_everything_and_can_be_printed(command: Command, project: Path) -> None:
    (project / "configs" / "broken.yaml").touch()
    says = ["learner.hparams.model.backbone: missing", "data.source: missing"]
    check(*command("train", "--config-name", "broken"), says)
    code, output = command("train", "--config-name", "broken", "--cfg", "job")
    assert code == 0
    assert yaml.safe_load(output)["data"]["source"] == "???"


@pytest.mark.parametrize("name", BROKEN_SPACES)
def test_a_broken_space(name: str, command: Command, project: Path) -> None:
    content, says = BROKEN_SPACES[name]
    head = "# @package _global_\ndefaults: [/small, _self_]\n"
    (project / "search_spaces" / "space" / "broken.yaml").write_text(head + content)
    check(*command("run", "space=broken", "tracking=none"), says)


def test_a_folder_with_the_name_of_a_file(command: Command, project: Path) -> None:
    for folder in ("configs", "search_spaces/space"):
        (project / folder / "folder.yaml").mkdir()
    check(*command("train", "--config-name", "folder"), ["--config-name: there is no folder.yaml"])
    check(*command("run", "space=folder"), ["space: got 'folder'; there are: ", "lenet_cosine"])


def test_a_file_that_is_not_used_may_be_broken(command: Command, project: Path) -> None:
    (project / "configs" / "broken.yaml").write_bytes(b"\xff{[")
    assert command("train", "--config-name", "small", "--cfg", "job")[0] == 0


def test_a_file_that_may_not_be_read(command: Command, project: Path) -> None:
    file = project / "configs" / "broken.yaml"
    file.symlink_to(project / "configs" / "nowhere.yaml")
    check(*command("train", "--config-name", "broken"), ["--config-name: there is no broken.yaml"])
