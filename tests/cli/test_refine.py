"""`refine`: the space that it writes, and that what it prints runs as it is."""

import math
import random
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import sesemi_search
from sesemi_search.search.ledger.records import TrialRecord
from tests.made_up_search import make_up_search, trial

Command = Callable[..., tuple[int, str]]


def records(count: int = 60) -> list[TrialRecord]:
    """Trials of which those with a high rate are best, and those with the head `linear` worst."""
    draw = random.Random(0)
    made = []
    for number in range(count):
        rate = 10 ** (draw.uniform(-2, 0) if number % 4 < 2 else draw.uniform(-0.5, 0))
        value = 0.8 + 0.2 * math.log10(rate) + 0.15 * (number % 2) + draw.gauss(0, 0.005)
        made.append(trial(number, [0.1, 0.2, value], lr=rate))
    return made


@pytest.fixture
def directory(project: Path) -> Path:
    overrides = ("run.seed=7", "search/sampler=random", "search.num_trials=3", "search.enqueue=[{lr: 0.1}]")
    return make_up_search(project / "runs" / "tiny" / "one", records(), *overrides, project=project)


def test_the_next_space_has_each_change_with_its_reason_above_it(
    directory: Path, project: Path, command: Command
) -> None:
    code, output = command("refine", str(directory))
    assert code == 0, output
    file = project / "search_spaces" / "space" / "tiny_2.yaml"
    text = file.read_text()
    lines = [line.strip() for line in text.splitlines()]
    assert lines[lines.index("lr: {float: [0.01, 10.0], log: true}") - 1].endswith("widen it to [0.01, 10]")
    assert any(line.startswith("# head: linear (the best of its 30 trials: ") for line in lines)
    space = OmegaConf.load(file).space
    assert list(space.learner.hparams.model.head.choice) == ["scaled"]
    assert "# @package _global_" in lines[0]
    assert "study" not in text
    assert "enqueue" not in text
    assert output.splitlines()[-1] == "search it: sesemi-search run space=tiny_2"
    again = command("refine", str(directory))[1]
    assert "space=tiny_3" in again


def test_what_it_prints_composes_to_the_same_experiment_and_begins_with_its_trials(
    directory: Path, project: Path, command: Command
) -> None:
    output = command("refine", str(directory))[1]
    words = shlex.split(output.splitlines()[-1].partition("sesemi-search run ")[2])
    code, output = command("run", *words, "--cfg", "job")
    assert code == 0, output
    now, before = OmegaConf.create(output), OmegaConf.load(directory / "search.yaml")
    assert now.data == before.data
    assert now.learner == before.learner
    assert (now.run.seed, now.run.num_epochs, now.run.id) == (7, 3, "tiny")
    assert now.search.sampler == before.search.sampler
    assert now.search.pruner == before.search.pruner
    assert now.search.num_trials == 3
    assert list(now.search.warm_start) == [str(directory)]
    assert now.search.study is None


def test_a_file_elsewhere_is_found_by_what_it_prints(directory: Path, tmp_path: Path, command: Command) -> None:
    file = tmp_path / "other place" / "space" / "next.yaml"
    code, output = command("refine", str(directory), "--out", str(file))
    assert code == 0, output
    words = shlex.split(output.splitlines()[-1].partition("sesemi-search ")[2])
    code, output = command("show", *words[1:])
    assert code == 0, output
    assert "lr: {float: [0.01, 10.0], log: true}" in output


def test_a_file_that_is_there_or_is_no_space_is_refused(directory: Path, tmp_path: Path, command: Command) -> None:
    file = tmp_path / "space" / "mine.yaml"
    file.parent.mkdir()
    file.write_text("mine")
    code, output = command("refine", str(directory), "--out", str(file))
    assert code == 2
    assert "is there already" in output
    assert file.read_text() == "mine"
    code, output = command("refine", str(directory), "--out", str(tmp_path / "mine.yaml"))
    assert code == 2
    assert "DIR/space/NAME.yaml" in output


def test_where_nothing_is_to_change_nothing_is_written(project: Path, command: Command) -> None:
    make_up_search(project / "made", [trial(n, [0.5]) for n in range(20)], configs=False, project=project)
    files = list((project / "search_spaces").rglob("*"))
    code, output = command("refine", "made")
    assert code == 0
    assert "nothing was written" in output
    assert list((project / "search_spaces").rglob("*")) == files
    shutil.rmtree(project / "made")
    assert command("refine", "made")[0] == 2


def test_status_and_python_say_the_same(directory: Path, command: Command) -> None:
    texts = [each.text for each in sesemi_search.open_search(directory).advice()]
    output = command("status", str(directory))[1]
    assert len(texts) >= 2
    assert all(f"- {text}" in output.splitlines() for text in texts)
    assert f"write the next space: sesemi-search refine {directory.name}" not in output
    assert "write the next space: sesemi-search refine runs/tiny/one" in output


@pytest.mark.slow
def test_the_next_space_is_searched_from_the_trials_of_the_one_before(
    directory: Path, command: Command, ray: None
) -> None:
    output = command("refine", str(directory))[1]
    words = shlex.split(output.splitlines()[-1].partition("sesemi-search ")[2])
    code, output = command(*words, "tracking=none", "run.gpus=0", "search.dir=next")
    assert code == 0, output
    assert "warm start: 30 of 60 trials of" in output
    trials = sesemi_search.open_search("next").trials
    assert set(trials["head"]) == {"scaled"}
    assert len(trials) == 3
