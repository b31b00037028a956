"""The help of each verb."""

from collections.abc import Callable

import pytest

Command = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(
    ("verb", "has", "has_not"),
    [
        ("run", ["run.num_epochs=80", "search.num_trials=50", "--config-name"], ["--dry-run", "--measure"]),
        ("check", ["--measure", "search.sampler"], ["--dry-run"]),
        ("train", ["run.num_epochs=80", "Passes over the training split"], ["search.num_trials", "--dry-run"]),
        ("resume", ["--dry-run", "search.num_trials=50", "tracking.mode=auto"], ["run.num_epochs", "search.seed"]),
        ("track", ["tracking.project"], ["run.num_epochs", "search.", "--cfg"]),
        ("predict", ["--top", "--csv", "--jsonl", "--trust"], ["data.", "--cfg", "--json "]),
        ("evaluate", ["--split", "--json", "data.source"], ["run.num_epochs", "--trust", "--out"]),
        ("export", ["--format", "--out"], ["data.", "--device"]),
        ("spaces", ["--project"], ["run.num_epochs", "--cfg"]),
        ("show", ["space"], ["--measure"]),
    ],
)
def test_the_help_of_a_verb_has_its_options_and_its_keys(
    verb: str, has: list[str], has_not: list[str], command: Command
) -> None:
    for option in ("--help", "-h"):
        code, output = command(verb, option)
        assert code == 0
        assert output.startswith(f"{verb}: ")
        assert all(words in output for words in has)
        assert not any(words in output for words in has_not)


def test_the_help_without_a_verb_names_all_verbs(command: Command) -> None:
    code, output = command("--help")
    assert code == 0
    for verb in (
        "check",
        "run",
        "resume",
        "track",
        "train",
        "predict",
        "evaluate",
        "calibrate",
        "export",
        "spaces",
        "show",
    ):
        assert f"sesemi-search {verb}" in output


def test_no_verb_is_a_mistake(command: Command) -> None:
    code, output = command()
    assert code == 2
    assert "required: VERB, one of check, run" in output
