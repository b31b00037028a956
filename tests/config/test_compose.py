"""What Hydra's users know works, typed and closed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from omegaconf import DictConfig

from sesemi_search.config.compose import Request, compose_config
from sesemi_search.config.experiment import plain, resolve
from sesemi_search.errors import ConfigError
from sesemi_search.search.plan import Plan, make_plan

Compose = Callable[..., DictConfig]
Command = Callable[..., tuple[int, str]]
FULL = """\
run: {seed: 7, num_epochs: 9, batch_size_per_gpu: 64, data_root: /data}
data:
  source: {_target_: sesemi_tutorials.data.Folds, fold: 3}
  image_size: 28
  channels: 1
  val_size: 10
  test_size: 20
  split_seed: 5
  mean: [0.5]
  std: [0.5]
learner:
  hparams:
    num_classes: 4
    model:
      backbone: {_target_: sesemi_tutorials.models.LeNet5, out_features: 50}
      head: {_target_: sesemi_tutorials.models.CosineSimilarityHead}
      loss: {_target_: torch.nn.CrossEntropyLoss}
    optimizer: {_target_: torch.optim.SGD, lr: 0.1}
"""


@pytest.fixture
def write(project: Path) -> Callable[[str, str], Path]:
    """Writes a YAML file of the project."""

    def write(name: str, text: str) -> Path:
        file = project / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write


@pytest.fixture
def plan_search(project: Path) -> Callable[..., Plan]:
    """Plans a search of a space of the project."""

    def plan(space: str, *overrides: str) -> Plan:
        request = Request(search=True, overrides=[f"space={space}", "tracking=none", *overrides], project=project)
        return make_plan(compose_config(request))

    return plan


@pytest.mark.parametrize(
    "argv", [("train", "--config-name", "mnist_lenet5_cosine"), ("run", "space=lenet_cosine")], ids=["train", "run"]
)
def test_cfg_job_prints_yaml_and_does_nothing_else(argv: tuple[str, ...], command: Command, project: Path) -> None:
    before = sorted(project.rglob("*"))
    code, output = command(*argv, "--cfg", "job")
    assert code == 0
    config = yaml.safe_load(output)
    assert config["learner"]["hparams"]["num_classes"] == 10
    assert ("space" in config, "search" in config) == (argv[0] == "run",) * 2
    assert "hydra" not in config
    assert sorted(project.rglob("*")) == before


def test_what_cfg_job_prints_is_a_config(command: Command, write: Callable[[str, str], Path]) -> None:
    _, printed = command("train", "-cn", "mnist_lenet5_cosine", "--cfg", "job", "data=mnist5k")
    write("configs/printed.yaml", printed)
    assert command("train", "-cn", "printed", "--cfg", "job") == (0, printed)


def test_cfg_job_shows_the_space_as_it_will_be_searched(command: Command) -> None:
    lr = "space.learner.hparams.optimizer.lr"
    code, output = command("run", "space=lenet_cosine", f"{lr}=0.5", "~space.run", "--cfg", "job")
    assert code == 0
    space = yaml.safe_load(output)["space"]
    assert space["learner"]["hparams"]["optimizer"]["lr"] == 0.5
    assert "run" not in space


def test_a_data_set_replaces_that_of_a_full_config_whole(
    write: Callable[[str, str], Path], compose_train: Compose
) -> None:
    write("configs/best.yaml", FULL)
    replaced = compose_train("best", "data=mnist")
    assert plain(replaced)["data"] == plain(compose_train("small", "data=mnist"))["data"]
    assert replaced.learner.hparams.num_classes == 10
    assert replaced.run.seed == 7
    assert compose_train("best", "data=mnist", "data.val_size=77", "data.source.x=1").data.source.x == 1
    assert compose_train("best", "data.val_size=77", "data=mnist").data.val_size == 77
    assert compose_train("best").data.source.fold == 3


@pytest.mark.parametrize(
    "override",
    ["learner.hparams.num_classes=7", "learner.hparams={num_classes: 7}", "learner={hparams: {num_classes: 7}}"],
)
def test_a_number_of_classes_of_the_command_line_stands_over_that_of_a_data_set(
    override: str, compose_train: Compose
) -> None:
    for overrides in (["data=cifar10", override], [override, "data=cifar10"]):
        assert compose_train("small", *overrides).learner.hparams.num_classes == 7


def test_other_hyperparameters_of_the_command_line_leave_the_data_set_its_number_of_classes(
    compose_train: Compose,
) -> None:
    other = "learner.hparams={optimizer: {lr: 0.5}}"
    assert compose_train("small", "data=cifar100", other).learner.hparams.num_classes == 100


def test_an_open_node_takes_a_new_key_without_a_plus(compose_train: Compose) -> None:
    key = "learner.hparams.model.backbone.out_features"
    for override in (f"{key}=100", f"+{key}=100", f"++{key}=100"):
        assert compose_train("mnist_lenet5_cosine", override).learner.hparams.model.backbone.out_features == 100


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("++run.seed=5", "run.seed", 5),
        ("run.gradient_clip_norm=null", "run.gradient_clip_norm", None),
        ("data.test_size=null", "data.test_size", None),
        ("data.mean=[0.1,0.2,0.3]", "data.mean", [0.1, 0.2, 0.3]),
        ("data={val_size: 9}", "data.val_size", 9),
        (
            "~learner.hparams.optimizer.nesterov",
            "learner.hparams.optimizer",
            ["_target_", "lr", "momentum", "weight_decay"],
        ),
        ("learner.hparams.lr_scheduler.scheduler=null", "learner.hparams.lr_scheduler.scheduler", None),
        ("tracking.kind=none", "tracking.kind.name", "none"),
        ("run.id='a b, c=d: é'", "run.id", "a b, c=d: é"),
        ("run.dir=~/x", "run.dir", "~/x"),
        ("run.dir=~/my runs", "run.dir", "~/my runs"),
        ("run.gpus=0.5", "run.gpus", 0.5),
        ("run.batch_size_per_gpu=${run.num_epochs}", "run.batch_size_per_gpu", 2),
        ("+base/supervised/lr_scheduler@_global_=cosine", "learner.hparams.lr_scheduler.interval.name", "step"),
    ],
)
def test_overrides_set_values(override: str, key: str, value: object, compose_train: Compose) -> None:
    node: object = compose_train("small", override)
    for part in key.split("."):
        node = getattr(node, part)
    assert (list(node) if isinstance(value, list) else node) == value  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("+run.foo=1", "run has no key 'foo'"),
        ("++run.num_epoch=1", "Did you mean 'num_epochs'?"),
        ("~run", "run: got None; it is a mapping"),
        ("run=5", "run: got 5; it is a mapping"),
        ("~run.seed", "run.seed"),
        ("run.seed.x=1", "run.seed is one value, without keys"),
        ("data=null", "data: got None; there are: cifar10, cifar100, dataset, fashion_mnist, image_folder, "),
        ("tracking=null", "tracking: got None"),
        ("data=[mnist,mnist5k]", "data: got"),
        ("data@run=mnist", "data@run"),
        ("run.num_epochs=null", "run.num_epochs"),
        ("run.num_epochs=???", "run.num_epochs: missing"),
        ("run.num_epochs=${nope}", "run.num_epochs: Interpolation key 'nope' not found"),
        ("run.num_epochs=${run.id}", "run.num_epochs"),
        ("run.id=${run.id}", "run.id: Recursive interpolation"),
        ("run.id=${oc.env:SURELY_NOT_SET}", "run.id"),
        ("run.id=${", "run.id=${"),
        ("learner.hparams.optimizer.lr=${nope}", "learner.hparams.optimizer.lr"),
        ("tracking.init_timeout_s=${run.id}", "tracking.init_timeout_s"),
        ("data.mean=${run}", "data.mean"),
        ("data.std=[0,1,1]", "data.std: got [0.0, 1.0, 1.0]"),
        ("data.val_size=x", "data.val_size: got 'x'; it takes a number of images, at least 1, a share of them"),
        ("data.val_size=[1]", "data.val_size: got [1]; it takes a number of images"),
        ("data.mean=x", "data.mean: got 'x'; it takes a number for each channel. (command line)"),
        ("data.mean=[a,b,c]", "data.mean.0: got 'a'; it takes a number. (command line)"),
        ("data.skip_corrupt=maybe", "data.skip_corrupt: got 'maybe'; it takes true or false. (command line)"),
        ("run.seed=x", "run.seed: got 'x'; it takes a whole number. (command line)"),
        ("tracking.mode=x", "tracking.mode: got 'x'; it takes one of auto, online, offline. (command line)"),
        ("data.split_seed=-1", "data.split_seed: got -1"),
        ("hydra.run.dir=x", "hydra.run.dir: Hydra's own settings have no effect here"),
        ("hydra/job_logging=none", "hydra/job_logging: Hydra's own"),
        ("hydra=3", "hydra: Hydra's own"),
        ("=3", "=3: not an override KEY=VALUE"),
        ("~", "~: not an override KEY=VALUE"),
        ("", "not an override KEY=VALUE"),
        ("base/supervised/head=linear", "+base/supervised/head=linear"),
    ],
)
def test_a_mistake_in_an_override_is_one_message(override: str, says: str, compose_train: Compose) -> None:
    with pytest.raises(ConfigError) as error:
        compose_train("small", override)
    assert says in str(error.value)
    assert "full_key" not in str(error.value)


@pytest.mark.parametrize("value", ["null", "3", "foo", "{n_startup_trials: 3}"])
def test_a_sampler_is_a_mapping_with_a_target(value: str, compose_run: Compose) -> None:
    if value.startswith("{"):
        assert compose_run("lenet_cosine", f"search.sampler={value}").search.sampler.n_startup_trials == 3
        return
    with pytest.raises(ConfigError, match=r"search\.sampler: got .* search/sampler=NAME"):
        compose_run("lenet_cosine", f"search.sampler={value}")


def test_config_groups_of_the_users_own(write: Callable[[str, str], Path], compose_train: Compose) -> None:
    for name, width in (("narrow", 10), ("wide", 200)):
        model = f"# @package _global_\nlearner: {{hparams: {{model: {{backbone: {{out_features: {width}}}}}}}}}\n"
        write(f"configs/width/{name}.yaml", model)
    write("configs/grouped.yaml", "defaults:\n  - /small\n  - /width: narrow\n")
    assert compose_train("grouped").learner.hparams.model.backbone.out_features == 10
    assert compose_train("grouped", "width=wide").learner.hparams.model.backbone.out_features == 200
    assert compose_train("small", "+width=wide").learner.hparams.model.backbone.out_features == 200
    with pytest.raises(ConfigError, match=r"width: got 'wid'; there are: narrow, wide\. Did you mean 'wide'"):
        compose_train("grouped", "width=wid")


@pytest.mark.parametrize("name", ["sub/it's two words", "grüße a=b,c", "x.y"])
def test_a_config_of_any_name(name: str, write: Callable[[str, str], Path], compose_train: Compose) -> None:
    write(f"configs/{name}.yaml", "defaults: [/small]\nrun: {seed: 99}\n")
    assert compose_train(name).run.seed == 99
    assert compose_train(f"{name}.yaml").run.seed == 99


def test_a_name_that_hydra_cannot_hold_is_refused(write: Callable[[str, str], Path], compose_train: Compose) -> None:
    write("configs/a@b.yaml", "defaults: [/small]\n")
    with pytest.raises(ConfigError, match="'a@b'; Hydra's names hold no '@'"):
        compose_train("a@b")


def test_a_space_may_choose_its_own_sampler(write: Callable[[str, str], Path], compose_run: Compose) -> None:
    defaults = "defaults: [/small, override /search/sampler: random, override /search/pruner: none, _self_]\n"
    write(
        "search_spaces/space/mine.yaml", f"# @package _global_\n{defaults}space: {{run: {{seed: {{int: [1, 9]}}}}}}\n"
    )
    config = compose_run("mine")
    assert config.search.sampler._target_ == "optuna.samplers.RandomSampler"
    assert config.search.pruner._target_ == "optuna.pruners.NopPruner"
    assert compose_run("mine", "search/sampler=tpe").search.sampler._target_ == "optuna.samplers.TPESampler"


def test_a_space_in_a_folder_of_its_own(write: Callable[[str, str], Path], compose_run: Compose) -> None:
    text = "# @package _global_\ndefaults: [/small, _self_]\nspace: {run: {seed: {int: [1, 9]}}}\n"
    write("search_spaces/space/vision/mine.yaml", text)
    assert compose_run("vision/mine").search.name == "vision_mine"


def test_a_run_that_nobody_named_is_named_by_its_config_or_its_search(
    project: Path,
    write: Callable[[str, str], Path],
    compose_train: Compose,
    compose_run: Compose,
    plan_search: Callable[..., Plan],
) -> None:
    write("configs/nameless.yaml", (project / "configs" / "small.yaml").read_text().replace(", id: small", ""))
    write(
        "search_spaces/space/digits.yaml", SPACE.format(experiment="nameless", space="  run: {seed: {int: [1, 2]}}\n")
    )
    assert compose_train("nameless").run.id == "nameless"
    assert compose_run("digits").run.id == "digits"
    assert compose_run("digits", "search.name=second").run.id == "second"
    assert compose_run("digits", "search.name='of ${run.id}'").run.id == "of default"
    assert plan_search("digits").experiment["run"]["id"] == "digits"
    # Named, if by the word that the schema has.
    assert compose_train("nameless", "run.id=default").run.id == "default"
    assert compose_run("digits", "run.id=default").run.id == "default"


SPACE = "# @package _global_\ndefaults: [/{experiment}, _self_]\nspace:\n{space}"


def test_interpolations_resolve_once_and_after_sampling(
    write: Callable[[str, str], Path], plan_search: Callable[..., Plan]
) -> None:
    write(
        "configs/refers.yaml",
        """\
defaults: [/small]
run: {id: 'of ${run.num_epochs}'}
learner:
  hparams:
    lr_scheduler:
      scheduler: {_target_: sesemi_search.training.lr_schedules.PolynomialLR, warmup_epochs: '${run.num_epochs}'}
    model:
      head: {dropout: 0.1, freeze: '${learner.hparams.model.backbone.flag}'}
""",
    )
    space = """\
  run: {num_epochs: {int: [2, 5]}}
  learner:
    hparams:
      model:
        backbone: {out_features: {int: [8, 16]}}
        head:
          _target_: sesemi_search.models.heads.ScaledCosineHead
          scale: ${learner.hparams.model.backbone.out_features}
"""
    write("search_spaces/space/refers.yaml", SPACE.format(experiment="refers", space=space))
    plan = plan_search("refers")
    params = {"run.num_epochs": 4, "learner.hparams.model.backbone.out_features": 11}
    resolved = resolve(plan.space.apply(plan.experiment, params))
    hparams = resolved["learner"]["hparams"]
    assert hparams["lr_scheduler"]["scheduler"]["warmup_epochs"] == 4
    assert hparams["model"]["head"]["scale"] == 11
    assert resolved["run"]["id"] == "of 4"
    assert plan.experiment["run"]["id"] == "of ${run.num_epochs}"


def test_a_space_may_supply_the_head_that_its_experiment_lacks(
    write: Callable[[str, str], Path], plan_search: Callable[..., Plan], project: Path
) -> None:
    text = (project / "configs" / "small.yaml").read_text()
    write("configs/headless.yaml", text.replace("  - /base/supervised/head/linear\n", ""))
    head = "{choice: {linear: {_target_: sesemi_search.models.heads.LinearHead}}}"
    space = f"  learner: {{hparams: {{model: {{head: {head}}}}}}}\n"
    write("search_spaces/space/headed.yaml", SPACE.format(experiment="headless", space=space))
    plan = plan_search("headed")
    sampled = plan.space.apply(plan.experiment, {"learner.hparams.model.head": "linear"})
    assert sampled["learner"]["hparams"]["model"]["head"] == {"_target_": "sesemi_search.models.heads.LinearHead"}
    write(
        "search_spaces/space/headless.yaml", SPACE.format(experiment="headless", space="  run: {seed: {int: [1, 2]}}\n")
    )
    with pytest.raises(ConfigError, match=r"learner\.hparams\.model\.head"):
        plan_search("headless")


def test_what_is_loaded_once_is_no_dimension(plan_search: Callable[..., Plan]) -> None:
    keys = [f"space.data.{key}" for key in ("image_size", "val_size", "test_size", "split_seed")]
    with pytest.raises(ConfigError) as error:
        plan_search("lenet_cosine", *(f"{key}={{int: [29, 32]}}" for key in keys))
    for key in keys:
        assert f"{key}: is the same for every trial" in str(error.value)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("space.run=3", "space.run: got 3; it is a mapping"),
        ("space.learner={float: [0, 1]}", "space.learner: got 'a float'; it is a mapping"),
        ("space.run.num_epochs=${nope}", "run.num_epochs: Interpolation key 'nope'"),
        ("space.data.mean.3={float: [0, 1]}", "space.data.mean.3: the experiment's list has 3 entries"),
        ("space.run.num_epochs=${", "${"),
        ("space.x='${'", "space.x"),
        ("space='{run: 3}'", "space: got '{run: 3}'; there are"),
        ("~space", "space: missing"),
    ],
)
def test_a_mistake_in_the_space_is_one_message(override: str, says: str, plan_search: Callable[..., Plan]) -> None:
    with pytest.raises(ConfigError) as error:
        plan_search("lenet_cosine", override)
    assert says in str(error.value)


def test_a_list_of_the_experiment_may_hold_domains(plan_search: Callable[..., Plan]) -> None:
    plan = plan_search("lenet_cosine", "space.data.mean=[{float: [0, 1]}, 0.1, 0.2]")
    assert "data.mean.0" in plan.space.short_names


def test_wandbs_own_variables_count_where_no_config_sets_the_keys(
    compose_train: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_PROJECT", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    tracking = compose_train("small").tracking
    assert (tracking.project, tracking.entity) == ("sesemi-search", None)
    monkeypatch.setenv("WANDB_PROJECT", "elsewhere")
    monkeypatch.setenv("WANDB_ENTITY", "a-team")
    tracking = compose_train("small").tracking
    assert (tracking.project, tracking.entity) == ("elsewhere", "a-team")
    tracking = compose_train("small", "tracking.project=here", "tracking.entity=us").tracking
    assert (tracking.project, tracking.entity) == ("here", "us")
