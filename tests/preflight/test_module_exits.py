"""What a user's module raises that is no Exception, or cannot be shown, is an error of that module as any other."""

from collections.abc import Callable

import pytest

from sesemi_search.preflight.branches import Branch, Checked

MODEL = "learner.hparams.model"
EXITS = "faulty.exits"
BACKBONES = {
    "ExitsWhenBuilt": f"{EXITS}.ExitsWhenBuilt() raised SystemExit",
    "ExitsInForward": "ExitsInForward fails on images of 3x32x32: before its first layer (SystemExit: 0)",
    "PanicsInForward": "(Panic: index out of bounds)",
    "MuteInForward": "(Mute: (no text: its __str__ raises))",
    "MuteWhenBuilt": f"{EXITS}.MuteWhenBuilt() raised Mute: (no text: its __str__ raises)",
    "ExitsInEvaluation": f"{EXITS}.ExitsInEvaluation with sesemi_search.models.heads.LinearHead raised SystemExit: 3",
    "ExitsForItsWidth": "ExitsForItsWidth.out_features raised SystemExit: no width",
    "ExitsInBackward": "ExitsInBackward with LinearHead fails in the backward pass: SystemExit: 0",
}
# Other parts, by key: the class, and what is said of it.
PARTS = {
    f"{MODEL}.loss": ("ExitingLoss", "ExitingLoss failed on logits and labels: SystemExit: 0"),
    "learner.hparams.optimizer": (
        "ExitingSGD, lr: 0.1",
        f"the first step of {EXITS}.ExitingSGD raised SystemExit: 0",
    ),
    "learner.hparams.lr_scheduler.scheduler": ("ExitingLR", f"{EXITS}.ExitingLR raised in epoch 1 of 3 SystemExit: 0"),
}


@pytest.fixture(scope="module")
def backbones(check: Callable[..., Checked]) -> dict[str, Branch]:
    options = ", ".join(f"{name}: {{_target_: {EXITS}.{name}}}" for name in BACKBONES)
    gone = f"gone: {{_target_: faulty.import_exits.Net}}, Flat: {{_target_: {EXITS}.Flat}}"
    checked = check(f"space.{MODEL}.backbone={{choice: {{{options}, {gone}}}}}", f"space.{MODEL}.head=linear")
    return {branch.choices[f"{MODEL}.backbone"]: branch for branch in checked.branches}


@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_that_exits_is_a_bad_branch(name: str, backbones: dict[str, Branch]) -> None:
    (problem,) = backbones[name].problems
    assert problem.key.startswith(MODEL)
    assert BACKBONES[name] in problem.text


def test_a_module_that_exits_when_it_is_imported_is_a_bad_branch(backbones: dict[str, Branch]) -> None:
    (problem,) = backbones["gone"].problems
    assert problem.text == ("'faulty.import_exits.Net' cannot be imported: faulty.import_exits raised SystemExit: 0")


def test_a_branch_beside_those_that_exit_is_good(backbones: dict[str, Branch]) -> None:
    assert backbones["Flat"].problems == []


@pytest.mark.parametrize("key", PARTS)
def test_another_part_that_exits_makes_its_branches_bad(key: str, check: Callable[..., Checked]) -> None:
    node, text = PARTS[key]
    checked = check(f"space.{MODEL}.head=linear", f"space.{key}={{_target_: {EXITS}.{node}}}")
    assert {text in problem.text for branch in checked.branches for problem in branch.problems} == {True}
    assert len(checked.bad) == len(checked.branches)
