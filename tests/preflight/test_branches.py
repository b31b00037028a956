"""Which branches are visited, and what is said of those that are bad."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from sesemi_search.commands.check import describe_space
from sesemi_search.errors import ConfigError, Kind, Problem
from sesemi_search.preflight.branches import Checked, End
from sesemi_search.space.parse import parse_space
from sesemi_search.space.space import Space

Check = Callable[..., Checked]
BACKBONE = "learner.hparams.model.backbone"
HEAD = "learner.hparams.model.head"
OPTIMIZER = "learner.hparams.optimizer"
SIZE = "run.batch_size_per_gpu"
SIZES = f"space.{SIZE}={{choice: [16, 32, 64]}}"
BACKBONES = (
    f"space.{BACKBONE}={{choice: {{good: {{_target_: faulty.Flat}}, "
    "tuple: {_target_: faulty.bad_modules.TupleBackbone}}}"
)


def test_every_branch_is_visited_at_its_low_and_its_high_end(check: Check) -> None:
    checked = check(SIZES)
    assert [(b.choices[HEAD], b.choices[SIZE]) for b in checked.branches] == [
        (head, size) for head in ("linear", "scaled") for size in (16, 32, 64)
    ]
    for branch in checked.branches:
        low, high = (end.config["learner"]["hparams"] for end in branch.ends if end.config)
        assert (low["model"]["backbone"]["out_features"], high["model"]["backbone"]["out_features"]) == (4, 64)
        assert (low["optimizer"]["lr"], high["optimizer"]["lr"]) == (0.01, 1)
    assert (len(checked.branches), checked.num_branches, checked.bad) == (6, 6, [])


def test_a_large_space_is_visited_in_part_and_says_so(check: Check) -> None:
    sizes = ", ".join(map(str, range(1, 21)))
    checked = check(f"space.{SIZE}={{choice: [{sizes}]}}", "space.run.seed={choice: [1, 2, 3]}", max_branches=30)
    assert 30 <= len(checked.branches) < 120
    assert "120 branches, 30 of them checked, at random" in describe_space(checked, "tiny")
    assert {branch.choices[SIZE] for branch in checked.branches} == set(range(1, 21))
    keys = [tuple(branch.choices.items()) for branch in checked.branches]
    assert len(set(keys)) == len(keys)
    for branch in checked.branches:
        assert {k: v for k, v in branch.low.params.items() if k in branch.choices} == branch.choices
        assert {k: v for k, v in branch.high.params.items() if k in branch.choices} == branch.choices


def test_a_bad_option_is_bad_in_each_of_its_branches_and_told_once(check: Check) -> None:
    checked = check(BACKBONES, SIZES)
    assert {b.choices[BACKBONE] for b in checked.bad} == {"tuple"}
    assert len(checked.bad) == 6
    (problem,) = map(str, checked.describe_problems())
    assert "TupleBackbone" in problem
    assert "(found at backbone=tuple, head=linear, dropout=0.0, lr=0.01, batch_size_per_gpu=16; " in problem
    assert "; 6 of 12 branches work, and search.skip_bad_branches=true searches those alone)" in problem


def test_a_constructor_that_raises_alike_at_both_ends_is_told_once(check: Check) -> None:
    checked = check(f"space.{BACKBONE}={{_target_: faulty.Odd, width: {{int: [5, 7]}}}}")
    assert list(map(str, checked.describe_problems())) == [
        f"space.{BACKBONE}: faulty.Odd(width=5) raised ValueError: width must be a multiple of 4"
    ]


def test_a_mistake_is_told_by_the_key_of_the_option_that_it_is_in(check: Check) -> None:
    timm = "_target_: sesemi_search.models.backbones.TimmBackbone, drop_rate: {float: [0, 0.5]}"
    names = "name: {choice: [test_resnet, test_resne]}"
    checked = check(f"space.{BACKBONE}={{choice: {{flat: {{_target_: faulty.Flat}}, timm: {{{timm}, {names}}}}}}}")
    (problem,) = checked.describe_problems()
    assert problem.key == f"space.{BACKBONE}.choice.timm.name.choice.1"
    assert problem.text.startswith("sesemi_search.models.backbones.TimmBackbone(")
    assert "raised ValueError: name='test_resne'; timm" in problem.text
    assert [bad.key for bad in checked.describe_bad()] == [problem.key]


def test_a_problem_that_is_moved_to_the_key_of_its_option_keeps_the_rest() -> None:
    space = Space(parse_space({"learner": {"hparams": {"model": {"head": {"choice": {"a": {"dropout": 2}}}}}}}))
    problem = Problem(f"{HEAD}.dropout", "got 2.", Kind.construction, "too large", source="two.yaml, line 3")
    moved = Checked(space, [], 1, []).locate(problem, End({HEAD: "a"}, [problem]))
    assert moved == replace(problem, key=f"space.{HEAD}.choice.a.dropout")
    assert str(moved).endswith("choice.a.dropout: got 2. (two.yaml, line 3)")


def test_bad_branches_are_excluded_and_good_ones_are_not(check: Check) -> None:
    checked = check(BACKBONES, SIZES)
    excluded = checked.exclude_bad()
    for branch in checked.branches:
        for end in branch.ends:
            if branch.problems:
                with pytest.raises(ConfigError, match="TupleBackbone"):
                    excluded.refuse(end.params)
            else:
                excluded.refuse(end.params)


def test_a_space_without_a_good_branch_cannot_leave_the_bad_ones_out(check: Check) -> None:
    checked = check(f"space.{BACKBONE}={{_target_: faulty.bad_modules.TupleBackbone}}")
    with pytest.raises(ConfigError, match="TupleBackbone") as raised:
        checked.exclude_bad()
    assert "skip_bad_branches" not in str(raised.value)
    assert "found at" not in str(raised.value)


def test_a_path_that_the_experiment_does_not_have_is_no_branch(check: Check) -> None:
    with pytest.raises(ConfigError, match=r"space\.run\.num_epoch: run has no key"):
        check("space.run.num_epoch={int: [1, 3]}")


def test_what_is_wrong_inside_an_option_is_wrong_with_its_branches_alone(check: Check) -> None:
    options = (
        "good: {_target_: faulty.Flat}, missing: {_target_: faulty.Fla}, "
        "unknown: {_target_: faulty.Flat, width: {int: [1, 2]}}, fraction: {_target_: faulty.Flat, out_features: "
        "{choice: {a: {float: [4, 8]}, b: 8}}}"
    )
    checked = check(f"space.{BACKBONE}={{choice: {{{options}}}}}", f"~space.{HEAD}")
    bad = [(b.choices[BACKBONE], b.choices.get(f"{BACKBONE}.fraction.out_features")) for b in checked.bad]
    assert bad == [("missing", None), ("unknown", None), ("fraction", "a")]
    assert len(checked.branches) == 5  # with the good one, and ("fraction", "b")
    first, second, third = map(str, checked.describe_bad())
    assert first.startswith(f"space.{BACKBONE}.choice.missing._target_: 'faulty.Fla' does not exist")
    assert second.startswith(f"space.{BACKBONE}.choice.unknown.width: faulty.Flat takes no argument 'width'")
    assert third.startswith(f"space.{BACKBONE}.choice.fraction.out_features.choice.a: got a float domain")
    with pytest.raises(ConfigError, match=r"Fla' does not exist"):
        checked.exclude_bad().refuse({BACKBONE: "missing"})


def test_what_is_wrong_outside_any_option_is_an_error_though_options_are_wrong_too(check: Check) -> None:
    options = f"space.{BACKBONE}={{choice: {{a: {{_target_: faulty.Flat}}, b: {{_target_: faulty.Fla}}}}}}"
    with pytest.raises(ConfigError) as error:
        check(options, "space.learner.hparams.optimizer.momentom=0.3")
    assert str(error.value).startswith("space.learner.hparams.optimizer.momentom: torch.optim.SGD takes no argument")
    assert len(error.value.problems) == 1


def test_an_optimizer_that_fails_in_its_step_is_a_bad_branch(check: Check) -> None:
    options = ", ".join(f"{name}: {{_target_: faulty.optimizers.{name}}}" for name in ("FailsInStep", "Sign"))
    checked = check(f"space.{OPTIMIZER}={{choice: {{{options}}}}}", "~space.learner.hparams.model.head.scaled")
    assert {branch.choices[OPTIMIZER] for branch in checked.bad} == {"FailsInStep"}
    (problem,) = checked.bad[0].problems
    assert str(problem) == f"{OPTIMIZER}: the first step of faulty.optimizers.FailsInStep raised KeyError: 'beta1'"


@pytest.mark.skipif(torch.cuda.is_available(), reason="of a machine without a GPU")
def test_an_optimizer_for_gpus_alone_is_not_judged_where_only_other_nodes_have_one(check: Check) -> None:
    adam = f"space.{OPTIMIZER}={{_target_: torch.optim.AdamW, capturable: true}}"
    assert check(adam, "run.accelerator=gpu").bad == []
    assert "capturable" in check(adam, "run.accelerator=cpu").bad[0].problems[0].text
