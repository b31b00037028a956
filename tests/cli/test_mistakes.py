"""Each mistake of a user's: exit code 2, one message that says what to do, no traceback, no file left behind."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BACKBONE = "learner.hparams.model.backbone"
LR = "space.learner.hparams.optimizer.lr"
TIMM = ["space=timm", "data.source.folder=src", "data.image_size=64", "run.data_root=."]  # whose folders are classes

MISTAKES = {
    "no space": (["run"], ["space: missing", "space=NAME", "lenet_cosine", "tiny"]),
    "unknown verb": (
        ["rnu", "space=tiny"],
        ["unknown verb 'rnu'", "check, run, resume, status", "Did you mean 'run'?"],
    ),
    "unknown space": (["run", "space=lenet_cosin"], ["'lenet_cosin'", "Did you mean 'lenet_cosine'?"]),
    "unknown group": (["run", "space=tiny", "dataset/x=mnist"], ["dataset/x", "no such config group"]),
    "unknown key in the space": (
        ["run", "space=tiny", "space.run.num_epoch=3"],
        ["space.run.num_epoch", "Did you mean 'num_epochs'?"],
    ),
    "a space by its bare name": (["run", "tiny"], ["tiny: not an override KEY=VALUE", "Did you mean space=tiny?"]),
    "a config by its file": (
        ["train", "configs/tiny.yaml"],
        ["configs/tiny.yaml: not an override KEY=VALUE", "Did you mean --config-name tiny?"],
    ),
    "a config misspelt": (["train", "tinny"], ["Did you mean --config-name tiny?"]),
    "a key as an option": (
        ["train", "--config-name", "tiny", "--epochs", "3"],
        ["--epochs: there is no such option", "Did you mean run.num_epochs=3?"],
    ),
    "an argument of the optimizer as an option": (
        ["run", "space=tiny", "--lr=0.1"],
        ["--lr: there is no such option", "Did you mean learner.hparams.optimizer.lr=0.1?"],
    ),
    "an option of another verb": (["run", "space=tiny", "--dry-run"], ["--dry-run is an option of resume"]),
    "a sweep of Hydra's": (["run", "space=tiny", "run.seed=1,2"], ["run.seed=1,2", "choice"]),
    "unknown argument": (
        ["run", "space=tiny", f"space.{BACKBONE}.out_feature=8"],
        [
            f"{BACKBONE}.out_feature",
            "faulty.Flat takes no argument",
            "it takes out_features",
            "Did you mean 'out_features'?",
        ],
    ),
    "no such module": (
        ["run", "space=tiny", f"{BACKBONE}._target_=sesemi_tutorial.models.LeNet5"],
        ["sesemi_tutorial.models.LeNet5", "Searched", "/project/src"],
    ),
    "no such class": (
        ["run", "space=tiny", f"{BACKBONE}._target_=sesemi_tutorials.models.LeNet"],
        ["sesemi_tutorials.models has no 'LeNet'", "Did you mean 'LeNet5'?"],
    ),
    "no out_features": (
        ["run", "space=tiny", f"space.{BACKBONE}={{_target_: faulty.NoOutFeatures}}"],
        ["NoOutFeatures", "out_features", "self.out_features ="],
    ),
    "no in_features": (
        ["run", "space=tiny", "space.learner.hparams.model.head={_target_: faulty.NoInFeatures}"],
        ["faulty.NoInFeatures does not accept 'in_features'"],
    ),
    "wrong image size": (
        ["run", "space=lenet_cosine", "data.image_size=28"],
        ["LeNet5", "3x28x28", "Flatten gave (2, 256)", "Linear(in_features=400", "learner.hparams.model"],
    ),
    "a model that timm lacks": (
        ["run", *TIMM, "space.learner.hparams=repghostnet_050", f"space.{BACKBONE}.name=repghostnet_05"],
        [f"space.{BACKBONE}.name: ", "name='repghostnet_05'; timm", "no such model", "Did you mean 'repghostnet_058'?"],
    ),
    "a head that does not fit a model of torchvision": (
        [
            "run",
            *TIMM,
            "space.learner.hparams=shufflenet_v2_x0_5",
            "space.learner.hparams.model.head={_target_: faulty.bad_modules.WrongWidthInside}",
        ],
        ["learner.hparams.model.head: WrongWidthInside fails on features of shape (2, 1024) from TorchVisionBackbone"],
    ),
    "no trials": (["run", "space=tiny", "search.num_trials=0"], ["search.num_trials", "got 0", "at least 1"]),
    "low above high": (["run", "space=tiny", f"{LR}={{float: [1, 0.1]}}"], [LR, "[1, 0.1]", "low is above high"]),
    "a misspelt domain": (
        ["check", "space=tiny", f"{LR}={{flota: [0.01, 1], log: true}}"],
        [f"{LR}: got a mapping with the keys flota, log", "Did you mean 'float'?", "(command line)"],
    ),
    "the last option dropped": (
        ["run", "space=tiny", "~space.learner.hparams.model.head.linear", "~space.learner.hparams.model.head.scaled"],
        ["space.learner.hparams.model.head.choice: is empty"],
    ),
    "unknown metric": (
        ["run", "space=tiny", "search.metric=val/topp1"],
        ["search.metric", "'val/topp1'", "val/top1", "Did you mean 'val/top1'?"],
    ),
    "a loss to maximize": (["run", "space=tiny", "search.metric=val/loss", "search.mode=max"], ["search.mode", "min"]),
    "a value out of range": (["run", "space=tiny", "run.gpus=2"], ["run.gpus", "got 2.0"]),
    "a value out of range in one branch": (
        ["run", "space=tiny", "space.run.batch_size_per_gpu={int: [0, 8]}"],
        ["run.batch_size_per_gpu: got 0", "found at"],
    ),
    "an unknown sampler argument": (
        ["run", "space=tiny", "search.sampler.n_startup_trial=4"],
        ["search.sampler.n_startup_trial", "Did you mean 'n_startup_trials'?"],
    ),
    "an unknown family": (
        ["run", "space=tiny", "search.pruner.families=[haed]"],
        ["search.pruner.families: got 'haed'", "Did you mean 'head'?"],
    ),
    "a resource in the space": (
        ["run", "space=tiny", "space.run.num_threads={choice: [1, 2]}"],
        ["run.num_threads", "same"],
    ),
    "a search from weights": (
        ["run", "space=tiny", "run.pretrained_checkpoint_path=x.pt"],
        ["run.pretrained_checkpoint_path", "x.pt"],
    ),
    "a profile of a search": (["run", "space=tiny", "run.profile=true"], ["run.profile: got True", "It is for train"]),
    "a split that is too large": (
        ["run", "space=tiny", "data.val_size=6000"],
        ["data.val_size + data.test_size", "got 9500", "5000 images"],
    ),
    "train without a config": (["train"], ["--config-name: missing"]),
    "unknown config": (["train", "--config-name", "tinny"], ["tinny.yaml", "Did you mean 'tiny'?"]),
    "no such config folder": (["train", "--config-dir", "nowhere", "--config-name", "x"], ["--config-dir", "nowhere"]),
    "a space for train": (["train", "--config-name", "tiny", "space=tiny"], ["space"]),
    "no such project": (["run", "--project", "src", "space=tiny"], ["--project", "configs/ and src/"]),
    "no search directory": (["run", "space=tiny", "search.dir="], ["search.dir: got ''", "variable of the shell"]),
    "no data folder": (["run", "space=tiny", "run.data_root="], ["run.data_root: got ''"]),
    "no name of a run": (["train", "--config-name", "tiny", "run.id="], ["run.id: got ''", "variable of the shell"]),
    "no checkpoint": (
        ["train", "--config-name", "tiny", "run.resume_from_checkpoint="],
        ["run.resume_from_checkpoint: got ''", "null"],
    ),
    "a name that leads elsewhere": (
        ["run", "space=tiny", "search.name=../../x"],
        ["search.name: got '../../x'", "without a slash"],
    ),
    "an absolute name": (["train", "--config-name", "tiny", "run.id=/x"], ["run.id: got '/x'", "without a slash"]),
    "a value with =": (["run", "space=tiny", "search.dir=lr=0.1"], ["quote it: 'search.dir=\"lr=0.1\"'"]),
    "a value with a comma": (["run", "space=tiny", "search.dir=a,b"], ["quote it: 'search.dir=\"a,b\"'"]),
    "a list of values with =": (
        ["run", "space=tiny", "search.warm_start=[lr=1,b]"],
        ['quote it: \'search.warm_start=["lr=1","b"]\''],
    ),
    "resume without a folder": (["resume"], ["resume DIR"]),
    "resume of an unset variable": (["resume", ""], ["resume DIR", "Got ''"]),
    "track without a folder": (["track", "tracking.project=x"], ["track DIR", "'tracking.project=x'"]),
    "resume of nothing": (["resume", "configs"], ["holds no search"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_message_and_exit_code_2(
    name: str, command: Callable[..., tuple[int, str]], project: Path
) -> None:
    argv, says = MISTAKES[name]
    before = sorted(path for path in project.rglob("*") if "__pycache__" not in path.parts)
    code, output = command(*argv)
    assert code == 2, output
    assert "Traceback" not in output
    assert output.count("error:") == 1, output
    for words in says:
        assert words in output
    assert sorted(path for path in project.rglob("*") if "__pycache__" not in path.parts) == before


def test_all_mistakes_are_told_at_once(command: Callable[..., tuple[int, str]]) -> None:
    code, output = command("run", "space=tiny", "run.num_epoch=3", "run.sed=1", "data=mnst")
    assert code == 2
    assert all(words in output for words in ("3 problems", "run.num_epoch", "run.sed", "'mnst'"))
    assert all(f"Did you mean '{name}'?" in output for name in ("num_epochs", "seed", "mnist"))


def test_a_directory_that_holds_a_search_is_refused(command: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "study.journal").write_text("")
    code, output = command("run", "space=tiny", f"search.dir={used}")
    assert code == 2
    assert f"already holds a search. To go on with it: sesemi-search resume {used}" in " ".join(output.split())
    assert list(used.iterdir()) == [used / "study.journal"]


def test_pretrained_weights_that_cannot_be_had_are_all_named_before_the_start(
    command: Callable[..., tuple[int, str]], project: Path, timm_cache: Path, torch_cache: Path
) -> None:
    backbones = ", ".join(
        f"{name}: {{_target_: sesemi_search.models.backbones.{target}, name: {name}, pretrained: true}}"
        for name, target in (("test_resnet", "TimmBackbone"), ("squeezenet1_1", "TorchVisionBackbone"))
    )
    space = ["space=tiny", "data.image_size=64", f"space.{BACKBONE}={{choice: {{{backbones}}}}}"]
    space.append("space.learner.hparams.model.head=linear")
    assert command("check", *space)[0] == 0
    code, output = command("run", *space)
    assert code == 2, output
    assert "2 problems" in output
    for place in (timm_cache / "models--timm--test_resnet.r160_in1k", torch_cache / "squeezenet1_1-b8a52dc0.pth"):
        assert str(place) in output.replace("\n", "")
    assert not (project / "runs").exists()


@pytest.mark.parametrize("verb", [["resume", "--dry-run"], ["track"]])
def test_a_folder_with_an_equals_sign_is_a_search_directory(
    verb: list[str], command: Callable[..., tuple[int, str]], project: Path
) -> None:
    (project / "lr=0.1").mkdir()
    code, output = command(*verb, "lr=0.1")
    assert code == 2
    assert f"{project}/lr=0.1 holds no search" in output


def test_debug_shows_the_traceback(command: Callable[..., tuple[int, str]]) -> None:
    with pytest.raises(ValueError, match=r"search\.num_trials"):
        command("run", "space=tiny", "search.num_trials=0", "--debug")


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_refused(project: Path) -> None:
    # In a process of its own: this one may be in a Ray already, which a search then uses.
    argv = [sys.executable, "-m", "sesemi_search", "run", "space=tiny", "ray.address=nowhere"]
    done = subprocess.run(argv, cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "ray.address: got 'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr
