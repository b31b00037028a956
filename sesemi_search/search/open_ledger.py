"""Opens the ledger of a search directory: a new one for a search that begins, or the one that is there.

Call it under the directory's lock. It writes what belongs to the search as a whole: `search.yaml`, the provenance, the
definition that a search which goes on is held against.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sesemi_search.atomic import remove_torn, write_text
from sesemi_search.config.experiment import to_yaml, written_space
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import PROVENANCE
from sesemi_search.project.provenance import describe_provenance
from sesemi_search.search.directory import JOURNAL, SEARCH_YAML, refuse_used
from sesemi_search.search.fingerprint import define_search, find_changes
from sesemi_search.search.initial.initial_trials import plan_initial_trials
from sesemi_search.search.ledger.journal import repair_journal
from sesemi_search.search.ledger.ledger import Ledger
from sesemi_search.search.plan import Plan

__all__ = ["begin_ledger", "open_ledger", "release_trials", "resume_ledger", "save_config"]

_NO_PRUNER = {"_target_": "optuna.pruners.NopPruner"}


def begin_ledger(plan: Plan, directory: Path, argv: Sequence[str]) -> Ledger:
    """Begins the search that a plan describes.

    Raises:
        ConfigError: Another driver began one in the same directory while this one made its plan, or there are trials
            of a search whose ledger is gone.
    """
    refuse_used(directory)
    _refuse_strays(directory, range(0))
    repair_journal(directory)
    for name in (PROVENANCE, SEARCH_YAML):  # of a driver that was killed before there was a search
        remove_torn(directory, name)
    write_text(directory / PROVENANCE, describe_provenance(argv, plan.project))
    save_config(plan, directory)
    return _create_ledger(plan, directory)


def _create_ledger(plan: Plan, directory: Path) -> Ledger:
    options = plan.settings.search
    ledger = Ledger.create(directory, options.study or options.name, plan.space, **_parts(plan))
    ledger.define(_definition(plan))
    _fill(ledger, plan)
    return ledger


def _fill(ledger: Ledger, plan: Plan) -> None:
    """Gives a new ledger what the search begins with, or the rest of it, where a driver died in the middle of that."""
    if not ledger.has_begun:
        initial = plan.initial_trials or plan_initial_trials(
            plan.settings.search, plan.objectives, plan.space, plan.experiment
        )
        ledger.begin(initial.copies, initial.given)


def resume_ledger(plan: Plan, directory: Path) -> Ledger:
    """Goes on with the search in a directory, if it still is the one that began there.

    Raises:
        ConfigError: It is not; the text says what has changed.
    """
    repair_journal(directory)
    for folder in (directory, *directory.glob("trials/*")):
        remove_torn(folder)
    try:
        ledger = open_ledger(plan, directory)
    except KeyError:  # Optuna has no such study: the driver died before it made one
        _refuse_strays(directory, range(0))
        ledger = _create_ledger(plan, directory)
    _refuse_strays(directory, ledger.numbers)
    if not ledger.definition and not len(ledger):
        ledger.define(_definition(plan))
    ledger.settle()
    changes = list(find_changes(ledger.definition, _definition(plan)))
    if changes:
        raise ConfigError(
            "",
            f"{directory / SEARCH_YAML} is not what the search began with, and its trials would not compare: "
            + "; ".join(changes)
            + f". A changed search is a new one: sesemi-search run space=... search.warm_start=[{directory}]",
        )
    save_config(plan, directory)
    _fill(ledger, plan)
    return ledger


def _refuse_strays(directory: Path, numbers: range) -> None:
    """Sees that a ledger knows each trial that has a folder: a trial is recorded before it gets one.

    Raises:
        ConfigError: It does not: the ledger was emptied, cut short or exchanged, and would adopt the checkpoints.
    """
    folders = sorted(each.name for each in directory.glob("trials/*") if each.name.isdecimal())
    strays = [name for name in folders if int(name) not in numbers]
    if strays:
        raise ConfigError(
            "",
            f"the ledger ({JOURNAL}, or search.storage) knows {len(numbers)} trials, but trials/ has "
            f"{len(strays)} that it does not know: {', '.join(strays[:5])}{', ...' * (len(strays) > 5)}. "
            "It was emptied, cut short or exchanged: put back a copy of it, or begin a new search "
            "in another directory.",
            file=directory,
        )


def open_ledger(plan: Plan, directory: Path) -> Ledger:
    """Opens the ledger that is there, as it is."""
    return Ledger.open(directory, plan.settings.search.study, plan.space, **_parts(plan))


def release_trials(plan: Plan, directory: Path) -> None:
    """Leaves every running trial to be resumed, without the search's pruner, which may be what has failed."""
    parts = {**_parts(plan), "pruner": _NO_PRUNER}
    Ledger.open(directory, plan.settings.search.study, plan.space, **parts).release()


def _parts(plan: Plan) -> dict[str, Any]:
    """What a ledger works with, whether it is new or not."""
    options = plan.settings.search
    return {
        "sampler": options.sampler,
        "pruner": options.pruner,
        "seed": options.seed,
        "objectives": plan.objectives,
        "storage": options.storage,
    }


def save_config(plan: Plan, directory: Path) -> None:
    """Writes the config of a search into its directory."""
    write_text(directory / SEARCH_YAML, to_yaml(plan.config, plan.resume_command(directory)))


def _definition(plan: Plan) -> dict[str, Any]:
    search = plan.settings.search
    return define_search(plan.experiment, written_space(plan.config), search.metric, search.mode)
