"""The verb `check`: its table, its exit codes, and that it leaves nothing behind."""

import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str]]
BACKBONE = "space.learner.hparams.model.backbone"
HEAD = "space.learner.hparams.model.head=linear"
BAD = "faulty.bad_modules"
SOME_BAD = (
    f"{BACKBONE}={{choice: {{good: {{_target_: faulty.Flat}}, tuple: {{_target_: {BAD}.TupleBackbone}}, "
    f"item: {{_target_: {BAD}.ReadsItem}}, narrow: {{_target_: {BAD}.NarrowOnly, out_features: {{int: [8, 80]}}}}}}}}"
)


def rows(output: str) -> list[str]:
    """Returns the lines of the table."""
    lines = output.splitlines()
    first = next(i for i, line in enumerate(lines) if "params" in line and "result" in line) + 1
    return lines[first : lines.index("", first)]


def files(project: Path) -> list[Path]:
    return sorted(path for path in project.rglob("*") if "__pycache__" not in path.parts)


def test_check_shows_every_branch_and_writes_nothing(command: Command, project: Path) -> None:
    before = files(project)
    code, output = command("check", "space=lenet_cosine")
    assert code == 0, output
    assert "lenet_cosine: 8 dimensions, 2 of them conditional; 9 branches; discrete part: 2,025 combinations" in output
    named = {tuple(line.split()[:2]) for line in rows(output)}
    assert named == {(head, size) for head in ("cosine", "scaled", "linear") for size in ("64", "128", "256")}
    assert all(line.split()[-1] == "OK" and "(B, 10)" in line for line in rows(output))
    assert "9 branches: OK" in output
    assert files(project) == before


def test_a_bad_branch_is_exit_code_1_and_has_its_reason(command: Command) -> None:
    code, output = command("check", "space=tiny", SOME_BAD, HEAD)
    assert code == 1, output
    results = {line.split()[0]: " ".join(line.split()[-3:]) for line in rows(output)}
    assert results["good"].endswith("OK")
    assert results["item"] == "OK on CPU"
    assert results["narrow"] == "bad high (2)"
    assert results["tuple"].endswith("bad (1)")
    text = " ".join(output.split())
    assert "2 of 4 branches cannot work" in text
    assert f"(1) {BACKBONE}.choice.tuple: TupleBackbone says out_features = 192 and gives a tuple" in text
    assert f"(2) {BACKBONE}.choice.narrow: NarrowOnly says out_features = 80 and gives features of shape" in text


def test_a_branch_beyond_the_limits_is_ok_with_a_remark(command: Command) -> None:
    code, output = command("check", "space=tiny", HEAD, "search.constraints.max_params=5000")
    assert code == 0, output
    assert all(line.split()[-2:] == ["OK", "(1)"] for line in rows(output))
    assert "(1) search.constraints.max_params: the model has 13," in output
    code, output = command("check", "space=tiny", "search.constraints.max_params=10")
    assert code == 0
    assert "search.constraints.max_params: got 10, which no model at the ends of 2 branches is within" in output


def test_a_mistake_in_the_space_itself_is_exit_code_2(command: Command) -> None:
    code, output = command("check", "space=tiny", "space.run.num_threads={choice: [1, 2]}", "search.metric=val/topp1")
    assert code == 2
    assert "2 problems" in output
    assert "space.run.num_threads" in output
    assert "search.metric" in output


def test_measure_is_of_check_alone(command: Command) -> None:
    code, output = command("run", "space=tiny", "--measure")
    assert code == 2
    assert "--measure is an option of check, not of run" in output


def test_measure_counts_the_data_and_quotes_times_and_the_search(command: Command, project: Path) -> None:
    before = files(project)
    code, output = command("check", "space=tiny", "--measure", "data.val_size=250")
    assert code == 0, output
    assert "train 1,250 images of 1x32x32; 125 of each of 10 classes" in output
    assert "val   250 images of 1x32x32; 25 of each of 10 classes" in output
    assert "test  not opened" in output
    seconds = [float(s) for line in rows(output) for s in re.findall(r"([\d.]+)s\b", line)]
    assert len(seconds) >= 2
    assert all(0 < s < 5 for s in seconds)
    assert "the search, 6 trials, in core-hours of training" in output
    most, evenly, halved = (
        float(re.search(rf"{words} ([\d.e-]+) {end}", output)[1])
        for words, end in (("at most", "if every"), ("about", "if all"), ("about", "with successive"))
    )
    assert most == pytest.approx(6 * 3 * max(seconds) / 3600, rel=0.1)
    assert halved < evenly <= most
    assert files(project) == before


def test_measure_finds_a_loss_that_is_nan_on_real_images(command: Command) -> None:
    # Noise has no image of zeros only; the digits' borders have nothing else.
    code, output = command(
        "check", "space=tiny", "--measure", f"{BACKBONE}={{_target_: {BAD}.DividesByContrast}}", "data.test_size=4000"
    )
    assert code == 1, output
    text = " ".join(output.split())
    assert "the loss of the first batch of real images is NaN or infinite" in text
    assert "2 of 2 branches cannot work" in text


def test_measure_names_classes_without_an_image(command: Command) -> None:
    colors = ["data=dataset", "data.source={_target_: faulty.exits.Colors, fault: none}", "data.image_size=32"]
    _, output = command("check", "space=tiny", "--measure", *colors, "learner.hparams.num_classes=4")
    assert "learner.hparams.num_classes=4, but no training image is of class 2, 3" in output
    assert "4 classes, from 0 (class 2) to 10 (class 0): 10 10 0 0" in output


def test_labels_beyond_the_classes_are_exit_code_2(command: Command) -> None:
    code, output = command("check", "space=tiny", "--measure", "learner.hparams.num_classes=8")
    assert code == 2
    assert "learner.hparams.num_classes: got 8, but the data has labels from 0 to 9" in output


def test_run_refuses_to_start_while_a_branch_is_bad(command: Command, project: Path) -> None:
    before = files(project)
    code, output = command("run", "space=tiny", SOME_BAD)
    assert code == 2
    text = " ".join(output.split())
    assert "TupleBackbone says out_features = 192 and gives a tuple" in text
    assert "4 of 8 branches work, and search.skip_bad_branches=true searches those alone" in text
    assert files(project) == before


def test_run_refuses_a_space_that_is_all_bad(command: Command, project: Path) -> None:
    before = files(project)
    all_bad = f"{BACKBONE}={{_target_: {BAD}.TupleBackbone}}"
    code, output = command("run", "space=tiny", all_bad, "search.skip_bad_branches=true")
    assert code == 2
    assert "TupleBackbone says out_features = 192 and gives a tuple" in output
    assert "skip_bad_branches=true" not in output
    assert files(project) == before


@pytest.mark.slow
def test_ninety_branches_of_four_backbones_take_less_than_twenty_seconds(project: Path) -> None:
    # Of processor time, on one core: the wall time depends on what else the machine does.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = [sys.executable, "-m", "sesemi_search", "check", "space=backbones"]
    done = subprocess.run(argv, cwd=project, capture_output=True, text=True, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "90 branches: OK" in done.stdout
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 20
