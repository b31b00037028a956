"""Every YAML file that we ship, found by recursive search."""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from sesemi_search.config.experiment import plain, resolve, written_experiment, written_space
from sesemi_search.config.schema import DataConfig
from sesemi_search.errors import ConfigError
from sesemi_search.models import build_classifier, heads
from sesemi_search.preflight.architecture import Architectures
from sesemi_search.preflight.branches import check_space
from sesemi_search.project.sesemi_modules import install
from sesemi_search.search.initial.baseline import find_baseline
from sesemi_search.search.pruners import build_pruner
from sesemi_search.search.samplers.build import build_sampler
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

ROOT = Path(__file__).parents[2]
FOLDERS = {"configs": 50, "search_spaces": 23, "experiments/configs": 1}
FILES = {folder: sorted((ROOT / folder).rglob("*.yaml")) for folder in FOLDERS}


def names(folder: str) -> list[str]:
    """Names of the YAML files in a folder of the repository."""
    return [file.stem for file in sorted((ROOT / folder).glob("*.yaml"))]


SPACES, EXPERIMENTS, DATA = names("search_spaces/space"), names("experiments/configs"), names("configs/data")
SAMPLERS, PRUNERS, TRACKING = (names(f"configs/{group}") for group in ("search/sampler", "search/pruner", "tracking"))
BASE = [file.relative_to(ROOT / "configs").with_suffix("") for file in FILES["configs"] if "base" in file.parts]
PIECES = [file for file in FILES["search_spaces"] if file.parent.name != "space"]
Compose = Callable[..., DictConfig]
# What only the user of a data set knows.
_BIRDS = ["data.source.folder=birds", "learner.hparams.num_classes=7"]
_DATASET = ["data.source._target_=birds.Birds", "learner.hparams.num_classes=7"]
NEEDS = {"image_folder": _BIRDS, "timm": _BIRDS, "dataset": _DATASET}


def whole(node: Mapping[str, Any]) -> dict[str, Any]:
    return plain(OmegaConf.create(dict(node)))


def test_every_file_is_counted() -> None:
    assert {folder: len(files) for folder, files in FILES.items()} == FOLDERS
    tested = [*BASE, *DATA, *SAMPLERS, *PRUNERS, *TRACKING, *SPACES, *PIECES, *EXPERIMENTS]
    assert len(tested) == sum(FOLDERS.values())
    assert len(SAMPLERS) >= max(len(PRUNERS), len(TRACKING))  # which the samplers are tested with


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_composes(experiment: str, compose_train: Compose) -> None:
    assert compose_train(experiment).learner.hparams.model.backbone._target_


@pytest.mark.parametrize("file", [file for file in BASE if file.parent.name != "data"], ids=str)
def test_a_base_config_composes_into_an_experiment(file: Path, compose_train: Compose) -> None:
    config = compose_train("small", f"+{file.parent.as_posix()}@_global_={file.name}")
    assert config.learner.hparams.model.loss


@pytest.mark.parametrize("file", PIECES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_piece_of_a_space_composes_into_a_space(
    file: Path, project: Path, compose_run: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = file.parent.name
    package = "space.learner.hparams" + (".model" if group in ("backbone", "head") else "")
    lines = ["# @package _global_", "defaults: [/small, _self_]", "space: {run: {seed: {int: [1, 2]}}}"]
    (project / "search_spaces" / "space" / "piece.yaml").write_text("\n".join(lines))
    config = compose_run("piece", f"+{group}@{package}={file.stem}", "data=mnist5k")
    node = OmegaConf.select(config, f"{package}.{group}")
    assert (node.scheduler if group == "lr_scheduler" else node).choice
    if "\ndefaults:" in file.read_text():
        return  # joins pieces, each of which is checked by itself
    monkeypatch.syspath_prepend(str(ROOT / "experiments" / "src"))
    install()
    check_space(Space(parse_space(written_space(config))), written_experiment(config), Architectures())


@pytest.mark.parametrize("space", SPACES)
def test_a_space_composes_and_holds_its_own_experiment(
    space: str, compose_run: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "experiments" / "src"))
    install()
    config = compose_run(space, *NEEDS.get(space, []))
    assert config.search.name == space
    assert find_baseline(Space(parse_space(written_space(config))), written_experiment(config))


def test_pieces_of_a_group_join_into_one_choice(compose_run: Compose) -> None:
    config = compose_run("heads", "head@space.learner.hparams.model=[arcface,prototype]")
    assert list(config.space.learner.hparams.model.head.choice) == ["arcface", "prototype"]
    with pytest.raises(ConfigError, match=r"head: got 'arcfac'; there are: all, .* Did you mean 'arcface'\?"):
        compose_run("heads", "head@space.learner.hparams.model=[arcfac,prototype]")


def test_all_heads_are_all(compose_run: Compose) -> None:
    config = compose_run("heads", "head@space.learner.hparams.model=all")
    options = config.space.learner.hparams.model.head.choice.values()
    assert {option._target_.split(".")[-1] for option in options} == set(heads.__all__) - {"Head"}


@pytest.mark.parametrize(("first", "second"), list(zip(DATA, [*DATA[1:], DATA[0]], strict=True)))
def test_a_data_set_replaces_another_whole_and_is_the_same_in_base(
    first: str, second: str, compose_train: Compose
) -> None:
    needs = NEEDS.get(second, [])
    replaced = compose_train("small", f"+base/supervised/data@_global_={first}", f"data={second}", *needs)
    base = compose_train("small", f"+base/supervised/data@_global_={second}", *needs)
    assert whole(replaced.data) == whole(base.data)
    assert replaced.learner.hparams.num_classes == base.learner.hparams.num_classes


@pytest.mark.parametrize("data", DATA)
def test_a_data_set_sets_every_key_of_the_schema(data: str) -> None:
    """Else a second one in a defaults list would keep what the first has set."""
    file = OmegaConf.load(ROOT / "configs" / "base" / "supervised" / "data" / f"{data}.yaml")
    assert set(file.data) == {field.name for field in fields(DataConfig)}


@pytest.mark.parametrize(
    ("sampler", "pruner", "tracking"),
    # None of the three knows of the others: each option at least once.
    list(zip(SAMPLERS, itertools.cycle(PRUNERS), itertools.cycle(TRACKING), strict=False)),
)
def test_sampler_pruner_and_tracking_compose_and_can_be_built(
    sampler: str, pruner: str, tracking: str, compose_run: Compose
) -> None:
    config = compose_run(SPACES[0], f"search/sampler={sampler}", f"search/pruner={pruner}", f"tracking={tracking}")
    assert config.tracking.kind.name == tracking
    search = OmegaConf.to_container(config, resolve=True)["search"]  # type: ignore[index, call-overload]
    assert type(build_sampler(search["sampler"], 0, 0)).__name__ == search["sampler"]["_target_"].split(".")[-1]
    assert type(build_pruner(search["pruner"])).__name__ == search["pruner"]["_target_"].split(".")[-1]


@pytest.mark.parametrize("file", [*FILES["experiments/configs"], *FILES["search_spaces"]], ids=lambda file: file.stem)
def test_a_runnable_file_opens_with_the_command_that_runs_it(file: Path) -> None:
    head = "".join(itertools.takewhile(lambda line: line.startswith("#"), file.read_text().splitlines(keepends=True)))
    assert head
    if file.parent.name == "space":
        assert f"sesemi-search run space={file.stem}" in head
    elif file in FILES["experiments/configs"]:
        assert f"sesemi-search train --config-name {file.stem}" in head


def test_every_option_that_a_comment_names_is_there() -> None:
    groups = {"data": DATA, "search/sampler": SAMPLERS, "search/pruner": PRUNERS, "tracking": TRACKING, "space": SPACES}
    for file in itertools.chain.from_iterable(FILES.values()):
        comments = "\n".join(line for line in file.read_text().splitlines() if line.startswith("#"))
        for group, option in re.findall(
            r"(?<![\w/.])(data|search/sampler|search/pruner|tracking|space)=(\w+)", comments
        ):
            assert option in groups[group], file


@pytest.mark.parametrize("name", names("configs/base/supervised/baseline"))
def test_a_baseline_is_whole_but_for_its_data(name: str, compose_train: Compose, project: Path) -> None:
    config = f"# @package _global_\ndefaults: [/base/supervised/baseline/{name}]\n"
    (project / "configs" / "whole.yaml").write_text(config)
    composed = compose_train("whole", "data=mnist5k")
    model = resolve(written_experiment(composed))["learner"]["hparams"]["model"]
    with torch.device("meta"):
        classifier = build_classifier(model["backbone"], model["head"], 10)
        assert classifier(torch.empty(2, 3, 32, 32)).shape == (2, 10)
