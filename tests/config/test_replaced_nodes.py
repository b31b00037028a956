"""A mapping with another `_target_` replaces an open node, in files and on the command line; the same one merges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import plain
from sesemi_search.config.targets import is_other_class
from sesemi_search.errors import ConfigError

Compose = Callable[..., DictConfig]
SGD = {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}
OPTIMIZER, SCHEDULER = "learner.hparams.optimizer", "learner.hparams.lr_scheduler.scheduler"
MODEL = "learner.hparams.model"


def node(config: DictConfig, key: str) -> Any:
    found = plain(config)
    for part in key.split("."):
        found = found[part]
    return found


def nested(key: str, text: str) -> str:
    """A dotted key as YAML's mappings."""
    for part in reversed(key.split(".")):
        text = f"{{{part}: {text}}}"
    return text[1:-1]


@pytest.fixture
def write(project: Path) -> Callable[..., None]:
    """Writes a config or a space of the project."""

    def write(name: str, defaults: str, *lines: str, folder: str = "configs") -> None:
        text = ["# @package _global_", f"defaults: [{defaults}, _self_]", *lines]
        (project / folder / f"{name}.yaml").write_text("\n".join(text) + "\n")

    return write


OTHER_CLASSES = {
    "data.source": ("{_target_: mine.Digits, root: x}", {"_target_": "mine.Digits", "root": "x"}),
    OPTIMIZER: ("{_target_: torch.optim.AdamW, lr: 0.01}", {"_target_": "torch.optim.AdamW", "lr": 0.01}),
    SCHEDULER: ("{_target_: mine.Steps, at: [3]}", {"_target_": "mine.Steps", "at": [3]}),
    f"{MODEL}.head": ("{_target_: mine.Head}", {"_target_": "mine.Head"}),
    f"{MODEL}.backbone": ("{_target_: mine.Net, n: '${run.seed}'}", {"_target_": "mine.Net", "n": "${run.seed}"}),
    f"{MODEL}.loss": ("{_target_: torch.nn.NLLLoss}", {"_target_": "torch.nn.NLLLoss"}),
}


@pytest.mark.parametrize(
    "nodes",
    [
        OTHER_CLASSES,
        {OPTIMIZER: ("{_target_: torch.optim.SGD, lr: 1.5}", {**SGD, "lr": 1.5})},
        {OPTIMIZER: ("{lr: 1.5}", {**SGD, "lr": 1.5})},
    ],
    ids=["another class", "the same class", "no class"],
)
def test_a_node_of_a_config_below(
    nodes: dict[str, tuple[str, dict[str, Any]]], write: Callable[..., None], compose_train: Compose
) -> None:
    more = "learner: {hparams: {model: {loss: {label_smoothing: 0.1}, backbone: {out_features: 9}}}}"
    write("below", "/small, /base/supervised/data/imagenet, /base/supervised/lr_scheduler/polynomial", more)
    for number, (key, (text, _)) in enumerate(nodes.items()):
        write(f"above{number + 1}", f"/above{number}" if number else "/below", nested(key, text))
    above = compose_train(f"above{len(nodes)}")
    typed = [f"{key}={text}".replace("'${run.seed}'", "${run.seed}") for key, (text, _) in nodes.items()]
    below = compose_train("below", *typed)
    for key, (_, expected) in nodes.items():
        assert node(above, key) == expected
        assert node(below, key) == expected


def test_only_what_comes_before_the_other_class_is_dropped(write: Callable[..., None], compose_train: Compose) -> None:
    write("adam", "/small", nested(OPTIMIZER, "{_target_: torch.optim.AdamW, lr: 0.01, eps: 0.1}"))
    write("mine", "/adam", nested(OPTIMIZER, "{_target_: torch.optim.AdamW, fused: true}"))
    adam = {"_target_": "torch.optim.AdamW", "lr": 0.01, "eps": 0.1, "fused": True}
    assert node(compose_train("mine"), OPTIMIZER) == adam
    typed = compose_train("mine", f"{OPTIMIZER}.lr=0.5", f"{OPTIMIZER}.betas=[0.8,0.9]", f"~{OPTIMIZER}.eps")
    assert node(typed, OPTIMIZER) == {"_target_": "torch.optim.AdamW", "lr": 0.5, "fused": True, "betas": [0.8, 0.9]}
    back = compose_train("mine", f"{OPTIMIZER}={{_target_: torch.optim.SGD}}", f"{OPTIMIZER}.lr=3")
    assert node(back, OPTIMIZER) == {"_target_": "torch.optim.SGD", "lr": 3}


@pytest.mark.parametrize("text", ["{}", "'???'"])
def test_what_says_nothing_of_a_node_leaves_the_other_class(
    text: str, write: Callable[..., None], project: Path
) -> None:
    write("adam", "/small", nested(OPTIMIZER, "{_target_: torch.optim.AdamW, lr: 0.01}"))
    write("mine", "/adam", nested(OPTIMIZER, text))
    composed = compose_config(Request(search=False, config_name="mine", project=project))
    assert node(composed.config, OPTIMIZER) == {"_target_": "torch.optim.AdamW", "lr": 0.01}
    assert str(composed.source_lines.find(f"{OPTIMIZER}.lr")).endswith("adam.yaml, line 3")


def test_a_mapping_within_a_node_is_that_of_the_other_class(write: Callable[..., None], compose_train: Compose) -> None:
    write("below", "/small", nested(f"{MODEL}.head", "{_target_: mine.A, deep: {x: 1, y: {z: 2}}, sizes: [1, 2]}"))
    write("above", "/below", nested(f"{MODEL}.head", "{_target_: mine.B, sizes: [3], deep: {y: {q: 5}}}"))
    written = {"_target_": "mine.B", "sizes": [3], "deep": {"y": {"q": 5}}}
    found = node(compose_train("above"), f"{MODEL}.head")
    assert found == written
    assert list(found) == list(written)  # in the order in which it was written
    typed = node(compose_train("above", f"{MODEL}.head.deep.y.z=7"), f"{MODEL}.head")
    assert typed["deep"] == {"y": {"q": 5, "z": 7}}


def test_the_source_of_a_chosen_data_set_may_be_replaced(compose_train: Compose) -> None:
    config = compose_train("small", "data=imagewoof", "data.source={_target_: mine.Dogs, of: woof}")
    assert node(config, "data.source") == {"_target_": "mine.Dogs", "of": "woof"}


def test_a_node_within_a_mapping_of_the_command_line(compose_train: Compose) -> None:
    config = compose_train("small", "data={source: {_target_: mine.Digits}, val_size: 9}")
    assert node(config, "data.source") == {"_target_": "mine.Digits"}
    assert config.data.val_size == 9


def test_a_node_that_another_lends(write: Callable[..., None], compose_train: Compose) -> None:
    write("below", "/small", "data: {test_source: '${data.source}'}")
    write("above", "/below", "data: {test_source: {_target_: mine.Digits, root: '${run.dir}'}}")
    assert node(compose_train("below"), "data.test_source") == "${data.source}"
    typed = "data.source={_target_: mine.Digits, root: x}"
    assert compose_train("below", typed).data.test_source.root == "x"
    lent = compose_train("above", "data.test_source=${data.source}", "data.test_source.root=y", typed)
    assert node(lent, "data.source") == {"_target_": "mine.Digits", "root": "x"}
    own = {"_target_": "mine.Digits", "root": "${run.dir}"}
    assert node(compose_train("above"), "data.test_source") == own
    assert node(compose_train("above", "~data.test_source.root"), "data.test_source") == {"_target_": "mine.Digits"}
    other = "data.test_source={_target_: mine.Others, of: ${run.dir}}"
    assert node(compose_train("above", other, "~data.test_source.of"), "data.test_source") == {
        "_target_": "mine.Others"
    }


def test_a_sampler_and_a_pruner_of_a_space(write: Callable[..., None], compose_run: Compose) -> None:
    space = "space: {run: {seed: {int: [1, 9]}}}"
    search = "search: {sampler: {_target_: optuna.samplers.RandomSampler}, pruner: {min_resource: 5}}"
    write("mine", "/small", space, search, folder="search_spaces/space")
    config = compose_run("mine")
    assert node(config, "search.sampler") == {"_target_": "optuna.samplers.RandomSampler"}
    assert config.search.pruner.min_resource == 5
    assert "reduction_factor" in config.search.pruner


def test_an_argument_that_the_new_class_lacks_is_missed_at_its_own_line(
    write: Callable[..., None], project: Path
) -> None:
    write("mine", "/small", f"{nested(OPTIMIZER, '{_target_: torch.optim.Adam}')}", "run: {id: x}")
    source_lines = compose_config(Request(search=False, config_name="mine", project=project)).source_lines
    assert str(source_lines.find(f"{OPTIMIZER}.momentum")).endswith("mine.yaml, line 3")
    assert str(source_lines.find(f"{OPTIMIZER}._target_")).endswith("mine.yaml, line 3")


def test_a_deleted_node_stays_deleted(write: Callable[..., None], compose_train: Compose) -> None:
    write("mine", "/small", nested(OPTIMIZER, "{_target_: torch.optim.Adam}"))
    with pytest.raises(ConfigError, match=r"learner\.hparams\.optimizer"):
        compose_train("mine", f"~{OPTIMIZER}")


def test_a_new_key_deep_in_a_mapping_says_how_to_add_it(compose_train: Compose) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.eps: no config has this key; .*optimizer\.eps=VALUE"):
        compose_train("small", "learner.hparams={optimizer: {eps: 1}}")


def test_what_is_replaced_is_closed_and_open_as_before(compose_train: Compose) -> None:
    config = compose_train("small", f"{OPTIMIZER}={{_target_: torch.optim.Adam}}")
    assert OmegaConf.is_struct(config)
    with pytest.raises(ConfigError, match="Did you mean 'num_epochs'"):
        compose_train("small", f"{OPTIMIZER}={{_target_: torch.optim.Adam}}", "run.num_epoch=1")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("torch.optim.SGD", "torch.optim.AdamW", True),
        ("torch.optim.SGD", "torch.optim.sgd.SGD", False),
        ("sesemi_search.models.backbones.TimmBackbone", "sesemi.PyTorchImageModel", False),
        ("sesemi_search.models.backbones.TimmBackbone", "sesemi.TorchVisionBackbone", True),
        ("mine.SGD", "torch.optim.SGD", True),
        ("???", "torch.optim.SGD", False),
        ("${x}", "torch.optim.SGD", False),
    ],
)
def test_one_class_may_have_two_names(before: str, after: str, expected: bool) -> None:
    assert is_other_class(before, after) is expected


def test_a_name_of_sesemis_keeps_the_arguments_of_ours(write: Callable[..., None], compose_train: Compose) -> None:
    backbone = "{_target_: sesemi.PyTorchImageModel, name: resnet18}"
    write("mine", "/small, /base/supervised/backbone/timm", nested(f"{MODEL}.backbone", backbone))
    found = node(compose_train("mine"), f"{MODEL}.backbone")
    assert (found["name"], found["drop_rate"], found["image_size"]) == ("resnet18", 0.5, "${data.image_size}")
