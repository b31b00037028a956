"""`sesemi-search remove DIR`: takes a search or a final run off the disk, and nothing else that lies in its folder."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from sesemi_search.atomic import remove_torn
from sesemi_search.console import make_console, print_text
from sesemi_search.errors import ConfigError
from sesemi_search.final.openings import OPENINGS
from sesemi_search.formatting import escape_controls, format_bytes, quote_path
from sesemi_search.project.project import METRICS, MODEL_CARD, MODEL_FILES, MODEL_JSON, PROVENANCE
from sesemi_search.report.runs import describe_run, holds_run
from sesemi_search.search.directory import (
    JOURNAL,
    LOCK,
    REPORT,
    SEARCH_LOG,
    SEARCH_YAML,
    count_finals,
    final_dir,
    holds_search,
    lock_directory,
    lock_holder,
    only_directory,
)

__all__ = ["remove_command"]

# What a search and a final run write into their folders; the ledger last, so that what was cut short is still a search.
_LEDGER = (f"{JOURNAL}.lock", JOURNAL, SEARCH_YAML, LOCK)
_SEARCH = ("trials", "wandb", REPORT, "best.yaml", OPENINGS, SEARCH_LOG, PROVENANCE, *_LEDGER)
_FINAL = (
    *("wandb", "last.pt", "best.pt", *MODEL_FILES, MODEL_JSON, MODEL_CARD, OPENINGS, METRICS, PROVENANCE),
    *("confirm", "models", "config.yaml", LOCK),
)


def remove_command(arguments: Sequence[str], yes: bool) -> int:
    """Removes a search that nobody is at work on, or a final run, once that was confirmed; returns the exit code.

    Args:
        arguments: Its directory.
        yes: It is confirmed already.

    Raises:
        ConfigError: The directory holds neither, it is a link, or a driver is at work there.
    """
    make_console()
    directory = only_directory("remove", arguments)
    is_search = holds_search(directory)
    if not is_search and not holds_run(directory):
        raise ConfigError("remove", f"{directory} holds no search and no final run.")
    if directory.is_symlink():
        raise ConfigError("remove", f"{directory} is a link; name the folder itself, {directory.resolve()}.")
    finals = [final_dir(directory, number + 1) for number in range(count_finals(directory))] if is_search else []
    if holder := next(filter(None, map(lock_holder, [directory, *finals])), None):
        raise ConfigError("remove", f"{directory} is in use by {holder}; it can be removed when that ends.")
    if not yes and not _confirm(directory):
        print_text("nothing was removed")
        return 1
    with lock_directory(directory):
        remove_torn(directory)
        for name in (*(each.name for each in finals), *_SEARCH) if is_search else _FINAL:
            _remove(directory / name)
    left = sorted(path.name for path in directory.iterdir())
    if left:
        print_text(f"removed; {quote_path(directory)} stays for what else is in it: {', '.join(left)}")
    else:
        directory.rmdir()
        print_text("removed")
    return 0


def _confirm(directory: Path) -> bool:
    run = describe_run(directory)
    trials = f"{run.progress} trials" if run.progress else ""
    facts = (run.kind, run.state, trials, run.result, format_bytes(run.num_bytes))
    asked = f"remove {directory} ({', '.join(filter(None, facts))})? Type yes: "
    try:
        return input(escape_controls(asked)).strip().lower() in ("yes", "y")
    except EOFError:
        return False


def _remove(path: Path) -> None:
    """Removes a file, a folder, or a link and not what it leads to; nothing, where there is nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
