"""`sesemi-search VERB --help`: what a verb does, its options, and the keys that it takes."""

import difflib
import textwrap
from collections.abc import Iterator, Sequence

from sesemi_search.config.key_reference import KeyRow, describe_keys
from sesemi_search.config.schema import RunExperimentConfig, SearchExperimentConfig

__all__ = ["describe_verb", "suggest_key"]

_WIDTH = 100
_OF_SEARCHES = ("check", "run", "resume", "track", "show")  # which take keys of a search
_OF_DATA = ("evaluate", "calibrate")
# Arguments of an optimizer that people take for options.
_OPTIMIZER = ("lr", "momentum", "weight_decay")


def describe_verb(verb: str, summary: str, options: str) -> str:
    """Returns the help of a verb.

    Args:
        verb: Its name.
        summary: What it does, and its usage.
        options: Its options, as lines.
    """
    lines = [f"{verb}: {summary}", "", "options:", options.rstrip("\n")]
    rows = list(_rows(verb))
    if rows:
        lines += ["", "keys, each with its default (KEY=VALUE):", *(line for row in rows for line in _describe(row))]
    return "\n".join(lines)


def suggest_key(verb: str, option: str, value: str) -> str:
    """Says which keys somebody may have meant who typed an option that there is not; an empty string for none.

    Args:
        verb: The verb.
        option: The option without its dashes.
        value: What follows it.
    """
    name = option.replace("-", "_")
    keys = {row.key: row.key.rpartition(".")[2] for row in _rows(verb)}
    meant = [key for key, last in keys.items() if last == name]
    meant = meant or [f"learner.hparams.optimizer.{name}"] * (name in _OPTIMIZER)
    meant = meant or [key for key, last in keys.items() if name in last and len(name) > 2]
    near = difflib.get_close_matches(name, list(keys.values()), n=1)
    meant = meant or [key for key, last in keys.items() if last in near]
    return f" Did you mean {' or '.join(f'{key}={value}' for key in meant[:3])}?" if meant else ""


def _rows(verb: str) -> Iterator[KeyRow]:
    """Yields the keys that a verb takes."""
    if verb == "train":
        yield from describe_keys(RunExperimentConfig)
    elif verb == "final":
        for row in describe_keys(SearchExperimentConfig):
            if row.is_changeable or not row.key.startswith(("space", "search.")):
                yield row
    elif verb in _OF_DATA:
        yield from (row for row in describe_keys(RunExperimentConfig) if row.key.startswith("data."))
    elif verb in _OF_SEARCHES:
        for row in describe_keys(SearchExperimentConfig):
            if (verb != "resume" or row.is_changeable) and (verb != "track" or row.key.startswith("tracking.")):
                yield row


def _describe(row: KeyRow) -> Sequence[str]:
    takes = f" It takes {row.takes}." if row.takes.startswith("one of") else ""
    head = f"  {row.key}{f'={row.default}' if row.default else ''}"
    return [head, *textwrap.wrap(f"{row.meaning}{takes}", _WIDTH, initial_indent=6 * " ", subsequent_indent=6 * " ")]
