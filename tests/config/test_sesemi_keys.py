"""SESEMI's keys of `run`, and what the page about SESEMI says of configs."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import plain
from sesemi_search.config.overrides import override_config
from sesemi_search.config.schema import SearchExperimentConfig
from sesemi_search.config.targets import locate
from sesemi_search.errors import ConfigError
from sesemi_search.search.preparation import Prepared, prepare

Compose = Callable[..., DictConfig]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sesemi.md").read_text()
SAME, TWO, _ = re.split(r"^## .*\n", PAGE, flags=re.MULTILINE)[1:]
OURS, THEIRS = "batch_size_per_gpu", "batch_size_per_device"


@pytest.fixture
def write(project: Path) -> Callable[[str], None]:
    """Writes what an experiment `mine` has beyond `small`."""

    def write(text: str) -> None:
        (project / "configs" / "mine.yaml").write_text(f"defaults: [/small, _self_]\n{text}\n")

    return write


@pytest.fixture
def prepare_space(project: Path) -> Callable[..., Prepared]:
    """Reads a space over `small`."""

    def read(text: str, *overrides: str) -> Prepared:
        file = project / "search_spaces" / "space" / "mine.yaml"
        file.write_text(f"# @package _global_\ndefaults: [/small, _self_]\nspace: {text}\n")
        request = Request(search=True, overrides=["space=mine", "tracking=none", *overrides], project=project)
        return prepare(compose_config(request))

    return read


@pytest.mark.parametrize(
    ("file", "overrides", "size"),
    [
        ("{batch_size_per_device: 32}", [], 32),
        ("{batch_size_per_device: 32, batch_size_per_gpu: 32}", [], 32),
        ("{}", ["run.batch_size_per_device=16"], 16),
        ("{}", ["run.batch_size_per_device=16", "run.batch_size_per_gpu=16"], 16),
        ("{}", ["run={batch_size_per_device: 16}"], 16),
        ("{}", ["++run.batch_size_per_device=16"], 16),
        ("{batch_size_per_device: 32}", ["run.batch_size_per_device=16"], 16),
        ("{batch_size_per_device: 32}", ["run.batch_size_per_gpu=16"], 16),
        ("{batch_size_per_gpu: 32}", ["run.batch_size_per_device=16"], 16),
        ("{batch_size_per_device: '${run.num_epochs}'}", [], 2),
    ],
)
def test_either_name_sets_the_one_key(
    file: str, overrides: list[str], size: int, write: Callable[[str], None], compose_train: Compose
) -> None:
    write(f"run: {file}\nlearner: {{hparams: {{optimizer: {{lr: '${{run.batch_size_per_gpu}}'}}}}}}")
    config = compose_train("mine", *overrides)
    assert config.run.batch_size_per_gpu == config.learner.hparams.optimizer.lr == size
    assert THEIRS not in plain(config)["run"]


@pytest.mark.parametrize(
    ("file", "overrides", "says"),
    [
        ("{devices: 1, gpus: 0}", [], r"run.devices: got 1.0, and run.gpus is 0.0; .* Set one of them. \(.*, line 2\)"),
        ("{}", ["run.gpus=0", "run.devices=1"], "run.gpus: got 0, and run.devices is 1; .* two names of one key"),
        (
            "{devices: 2}",
            [],
            r"run.gpus: got 2.0; it takes 0, a fraction .* on several GPUs at once.* \(.*mine.yaml, line 2\)",
        ),
        ("{devices: many}", [], "mine.yaml: run.gpus: got 'many'; it takes 0, a fraction"),
        ("{device: 1}", [], "run.device: run has no key 'device'; it has"),
        ("{strategy: dp}", [], "mine.yaml: run.strategy: run has no key 'strategy'; a run trains on one device"),
        ("{}", ["run.num_iterations=9"], "run.num_iterations: .* run.num_epochs"),
        ("{}", ["+run.mode=FIT"], "run.mode: .* 'sesemi-search train'"),
        ("{accelerator: dp}", [], "run.accelerator: got 'dp'; it takes one of auto, gpu, cpu; auto takes"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(
    file: str, overrides: list[str], says: str, write: Callable[[str], None], compose_train: Compose
) -> None:
    write(f"run: {file}")
    with pytest.raises(ConfigError, match=says):
        compose_train("mine", *overrides)


@pytest.mark.parametrize(
    ("space", "overrides"),
    [
        ("{run: {batch_size_per_device: {choice: [8, 16]}}}", []),
        ("{run: {batch_size_per_device: {choice: [8, 32]}}}", [f"space.run.{OURS}={{choice: [8, 16]}}"]),
        ("{run: {batch_size_per_gpu: {choice: [8, 32]}}}", [f"space.run.{THEIRS}={{choice: [8, 16]}}"]),
        ("{run: {seed: 1}}", [f"space.run={{{THEIRS}: {{choice: [8, 16]}}}}"]),
        (f"{{run: {{{THEIRS}: {{choice: [8, 16]}}, seed: {{int: [1, 9]}}}}}}", ["~space.run.seed"]),
    ],
)
def test_a_space_takes_either_name_and_keeps_ours(
    space: str, overrides: list[str], prepare_space: Callable[..., Prepared]
) -> None:
    prepared = prepare_space(space, *overrides)
    assert [d.name for d in prepared.space.dimensions] == ["run.batch_size_per_gpu"]
    assert plain(prepared.config)["space"] == {"run": {OURS: {"choice": [8, 16]}}}


def test_an_option_of_a_space_takes_either_name(prepare_space: Callable[..., Prepared]) -> None:
    prepared = prepare_space(f"{{run: {{choice: {{a: {{{THEIRS}: 8}}, b: {{{OURS}: 16}}}}}}}}")
    assert plain(prepared.config)["space"]["run"]["choice"] == {"a": {OURS: 8}, "b": {OURS: 16}}


def test_a_space_with_both_names_is_refused(prepare_space: Callable[..., Prepared]) -> None:
    with pytest.raises(ConfigError, match=r"space.run.batch_size_per_device: got 8, and space.run.batch_size_per_gpu"):
        prepare_space(f"{{run: {{{THEIRS}: 8, {OURS}: 16}}}}")


def test_a_search_that_goes_on_cannot_change_it_under_either_name() -> None:
    config = OmegaConf.structured(SearchExperimentConfig)
    with pytest.raises(ConfigError, match=r"run.gpus: cannot change any more"):
        override_config(config, ["run.devices=0"], ["search.num_trials"])


def test_the_example_of_the_page_composes(project: Path, compose_train: Compose) -> None:
    (project / "configs" / "example.yaml").write_text("\n".join(re.findall("^    (.*)$", PAGE, re.MULTILINE)))
    config = compose_train("example")
    assert (config.run.gpus, config.run.batch_size_per_gpu, config.run.id) == (1, 128, "cifar_resnet")


def test_every_name_of_the_page_is_there(compose_train: Compose) -> None:
    config = compose_train("small", "+base/supervised/lr_scheduler@_global_=polynomial")
    base, *rest = re.split(r"^- (?=\w)", SAME, flags=re.MULTILINE)[1:]
    names = re.findall(r"`/(base/supervised/[^`]+)`", base)
    assert len(names) == 17
    assert all((ROOT / "configs" / f"{name}.yaml").is_file() or (ROOT / "configs" / name).is_dir() for name in names)
    keys, hparams, modules = (re.findall(r"`([\w.]+)`", line) for line in rest[:3])
    assert set(keys[1:]) <= set(config.run)
    assert all(key in config.learner.hparams or OmegaConf.select(config.learner.hparams, key) for key in hparams[1:])
    for target in modules[:3]:
        assert locate(target.replace("sesemi.", "sesemi_search."), "x")


def test_the_two_names_of_the_page_are_the_aliases(compose_train: Compose) -> None:
    pairs = re.findall(r"^\| `run\.(\w+)` \| `run\.(\w+)` \|$", TWO, re.MULTILINE)
    assert [theirs for theirs, _ in pairs] == ["devices", THEIRS]
    for theirs, ours in pairs:
        assert compose_train("small", f"run.{theirs}=1").run[ours] == 1
