"""Problems as values: what is printed of one and of several, which are one, and that they cross processes."""

import pickle
import signal
import sys
from dataclasses import replace

import pytest

from sesemi_search.errors import (
    ArgumentError,
    ConfigError,
    Problem,
    UserCodeExit,
    describe_exception,
    raise_problems,
    user_code,
)

SEED = Problem("run.seed", "got -1; it takes a whole number, at least 0.")
RATE = Problem("learner.hparams.optimizer.lr", "missing.", file="base.yaml", source="base.yaml, line 4")
SEVERAL = """\
2 problems:
- run.seed: got -1; it takes a whole number, at least 0.
- base.yaml: learner.hparams.optimizer.lr: missing. (base.yaml, line 4)"""


@pytest.mark.parametrize(
    ("problem", "reads"),
    [
        (SEED, "run.seed: got -1; it takes a whole number, at least 0."),
        (replace(SEED, source="command line"), f"{SEED} (command line)"),
        (Problem("", "the config contains itself."), "the config contains itself."),
        (Problem("", "not a file.", file="a.yaml"), "a.yaml: not a file."),
        (RATE, "base.yaml: learner.hparams.optimizer.lr: missing. (base.yaml, line 4)"),
    ],
)
def test_a_problem_reads_file_key_text_and_source(problem: Problem, reads: str) -> None:
    assert str(problem) == reads
    assert str(ConfigError.of(problem)) == reads


def test_an_error_of_one_mistake_reads_as_its_problem() -> None:
    error = ConfigError(SEED.key, SEED.text)
    assert error.problems == [SEED]
    assert str(error) == str(SEED)


def test_several_problems_are_one_error_that_lists_each_once() -> None:
    with pytest.raises(ConfigError) as raised:
        raise_problems([SEED, RATE, SEED])
    assert raised.value.problems == [SEED, RATE]
    assert str(raised.value) == SEVERAL


def test_no_problem_raises_nothing() -> None:
    raise_problems([])


@pytest.mark.parametrize("error", [ConfigError("run.seed", "no.", file="a.yaml"), ConfigError.of(SEED, RATE)])
def test_an_error_crosses_processes_with_its_problems(error: ConfigError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert arrived.problems == error.problems
    assert str(arrived) == str(error)


def test_an_error_of_an_argument_crosses_processes_with_its_name() -> None:
    arrived = pickle.loads(pickle.dumps(ArgumentError("depth", "depth=0; it takes 1 or more")))
    assert (arrived.argument, str(arrived)) == ("depth", "depth=0; it takes 1 or more")


class Mute(Exception):
    """Its text ends the program."""

    def __str__(self) -> str:
        sys.exit()


@pytest.mark.parametrize(
    ("error", "reads"),
    [
        (ValueError("first\nsecond"), "ValueError: first"),
        (ValueError(), "ValueError"),
        (Mute(), "Mute: (no text: its __str__ raises)"),
        (UserCodeExit("SystemExit: 3"), "SystemExit: 3"),
    ],
)
def test_an_exception_is_described_whatever_its_text_does(error: Exception, reads: str) -> None:
    assert describe_exception(error) == reads


def test_an_exit_of_a_users_code_is_an_exception() -> None:
    with pytest.raises(UserCodeExit, match="SystemExit: 0"), user_code():
        sys.exit(0)


@pytest.mark.parametrize("error", [ConfigError("run.seed", "no."), KeyboardInterrupt(), StopIteration()])
def test_an_exception_and_an_interrupt_of_a_users_code_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, user_code():
        raise error
    assert raised.value is error


def test_the_handler_of_a_signal_ends_the_program_in_a_users_code_too() -> None:
    before = signal.signal(signal.SIGUSR1, lambda number, frame: sys.exit(number))
    try:
        with pytest.raises(SystemExit), user_code():
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
