"""Options of our groups (data, tracking, sampler, pruner): in a config of the user's, and on the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from sesemi_search.config.experiment import plain
from sesemi_search.errors import ConfigError

Compose = Callable[..., DictConfig]
SOURCE = "data.source._target_"
MNIST5K = "sesemi_search.data.sources.MNIST5k"


@pytest.fixture
def write(project: Path) -> Callable[..., None]:
    """Writes a config or a space of the project, from the items of its defaults list and what else it says."""

    def write(name: str, *items: str, body: str = "", folder: str = "configs") -> None:
        lines = ["# @package _global_", "defaults:", *(f"  - {item}" for item in items), body]
        (project / folder / f"{name}.yaml").write_text("\n".join(lines) + "\n")

    return write


@pytest.mark.parametrize("item", ["/data: fashion_mnist", "data: fashion_mnist"])
def test_a_config_chooses_its_data_as_the_command_line_does(
    item: str, write: Callable[..., None], compose_train: Compose
) -> None:
    write("mine", "/small", item, body="data: {val_size: 77}")
    config = compose_train("mine")
    alone = plain(compose_train("small", "data=fashion_mnist"))["data"]
    assert plain(config)["data"] == alone | {"val_size": 77}
    assert plain(compose_train("mine", "data=mnist5k"))["data"] == plain(compose_train("small", "data=mnist5k"))["data"]


@pytest.mark.parametrize("word", ["", "override "])
def test_an_experiment_or_a_space_may_choose_in_place_of_our_default(
    word: str, write: Callable[..., None], compose_run: Compose
) -> None:
    space = "space: {run: {seed: {int: [1, 9]}}}"
    chosen = [f"{word}/{choice}" for choice in ("tracking: none", "search/sampler: random", "search/pruner: none")]
    write("mine", "/small", *chosen)
    write("over_mine", "/mine", "_self_", body=space, folder="search_spaces/space")
    write("itself", "/small", *chosen, body=space, folder="search_spaces/space")
    for name in ("over_mine", "itself"):
        config = compose_run(name)
        assert config.tracking.kind.name == "none"
        assert config.search.sampler._target_ == "optuna.samplers.RandomSampler"
        assert config.search.pruner._target_ == "optuna.pruners.NopPruner"


def test_the_command_line_wins_over_what_a_config_chooses_or_says(
    write: Callable[..., None], compose_train: Compose
) -> None:
    write("mine", "/small", "/tracking: none", body="tracking: {kind: none, project: mine}")
    assert compose_train("mine").tracking.kind.name == "none"
    config = compose_train("mine", "tracking=wandb")
    assert (config.tracking.kind.name, config.tracking.project) == ("wandb", "mine")


def test_what_a_config_says_of_tracking_wins_over_our_default(
    write: Callable[..., None], compose_train: Compose
) -> None:
    write("mine", "/small", body="tracking: {kind: none}")
    assert compose_train("mine").tracking.kind.name == "none"


@pytest.mark.parametrize("override", ["+data=mnist5k", "++data=mnist5k"])
@pytest.mark.parametrize("chosen", [(), ("/data: fashion_mnist",)])
def test_a_plus_before_a_choice_changes_nothing(
    override: str, chosen: tuple[str, ...], write: Callable[..., None], compose_train: Compose
) -> None:
    write("mine", "/small", *chosen)
    assert OmegaConf.select(compose_train("mine", override), SOURCE) == MNIST5K


def test_a_config_changes_what_another_chose(write: Callable[..., None], compose_train: Compose) -> None:
    write("first", "/small", "/data: image_folder", "/tracking: wandb", body="data: {source: {folder: birds}}")
    write("second", "/first", "/data/mnist5k", "/tracking/none")
    config = compose_train("second")
    assert plain(config)["data"] == plain(compose_train("small", "data=mnist5k"))["data"]
    assert config.tracking.kind.name == "none"


def test_two_choices_of_one_group_say_what_to_write(write: Callable[..., None], compose_train: Compose) -> None:
    write("first", "/small", "/data: mnist5k", "/tracking: none")
    for item in ("/data: fashion_mnist", "/tracking: wandb", "override /tracking: wandb"):
        write("twice", "/first", item)
        group = item.removeprefix("override ")[1:].split(":")[0]
        with pytest.raises(ConfigError, match=rf"{group}: two configs choose one .* file instead, '- /{group}/NAME'"):
            compose_train("twice")


def test_an_override_of_what_nothing_chose_says_what_to_write(
    write: Callable[..., None], compose_train: Compose
) -> None:
    write("mine", "/small", "override /data: fashion_mnist")
    with pytest.raises(ConfigError, match=r"mine\.yaml: got '- override /data: NAME'.* Write '- /data: NAME', without"):
        compose_train("mine")


@pytest.mark.parametrize("group", ["data", "tracking"])
def test_a_choice_cannot_be_left_out(group: str, compose_train: Compose) -> None:
    with pytest.raises(ConfigError, match=f"~{group}: there is always one; choose another, {group}=NAME"):
        compose_train("small", f"~{group}")


@pytest.mark.parametrize("group", ["search/sampler", "search/pruner"])
@pytest.mark.parametrize("override", ["{}=NAME", "+{}=NAME", "{}@search.other=NAME"])
def test_a_single_run_takes_no_sampler_and_no_pruner(group: str, override: str, compose_train: Compose) -> None:
    name = "none" if group == "search/pruner" else "tpe"
    with pytest.raises(ConfigError, match=f"^{group}: a single training run takes no sampler and no pruner"):
        compose_train("small", override.format(group).replace("NAME", name))
