"""Going on with a search: what may change, what has changed since it began, and what `--dry-run` says."""

import json
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sesemi_search.config.compose import Composed, Request
from sesemi_search.config.keys import known_keys
from sesemi_search.config.layers import Source
from sesemi_search.config.overrides import override_config, parse_overrides
from sesemi_search.config.schema import SearchExperimentConfig
from sesemi_search.config.source_lines import SourceLines
from sesemi_search.errors import ConfigError
from sesemi_search.project.project import PROVENANCE, Project, find_project
from sesemi_search.project.provenance import package_versions, project_files
from sesemi_search.search.directory import SEARCH_YAML, file_inside, given_directory, trial_dir
from sesemi_search.search.ledger.records import Outcome
from sesemi_search.search.phase import is_phase
from sesemi_search.search.stored_search import StoredSearch, load_search_yaml, read_search, sealed_environment

__all__ = ["changeable_keys", "compose_resumed", "describe_resume", "find_drift", "resume_directory"]

logger = logging.getLogger(__name__)


def changeable_keys() -> list[str]:
    """Returns the keys, and the sections, that a search may change while it goes on.

    All else would make its trials incomparable.
    """
    known = known_keys(SearchExperimentConfig)
    sections = {name.rpartition(".")[0] for name in known}
    return [f"{name}." if name in sections else name for name, each in known.items() if each.is_changeable]


def resume_directory(request: Request) -> Path:
    """Returns the search directory that `resume` was given: the first of its arguments.

    Raises:
        ConfigError: There is none.
    """
    return given_directory("resume", request.overrides)


def compose_resumed(request: Request) -> Composed:
    """Returns the config of a search that goes on, having said what changed since it began.

    Raises:
        ConfigError: There is no search, or an override would change what its trials are.
    """
    directory, source_lines = resume_directory(request), _source_lines(request)
    with source_lines.added():
        stored = load_search_yaml(directory)
        if is_phase(stored):
            raise ConfigError(
                "resume",
                f"{directory} belongs to a final run; go on with that: sesemi-search final {directory.parents[1]}",
            )
        config = override_config(stored, request.overrides[1:], changeable_keys())
    project = find_project(request.project, directory)
    for line in find_drift(directory, project):
        logger.info(line)
    return Composed(config, project, [], [], source_lines)


def _source_lines(request: Request) -> SourceLines:
    """Knows where the keys of a search that goes on are written: its own file, or the command line."""
    directory = resume_directory(request)
    return SourceLines(
        lambda: [Source(file_inside(directory, directory / SEARCH_YAML), package="")],
        parse_overrides(request.overrides[1:]),
    )


def find_drift(directory: Path, project: Project | None) -> list[str]:
    """Returns what differs from when the search began: packages, and files of the project, by name."""
    try:
        began: dict[str, Any] = json.loads((directory / PROVENANCE).read_text())
        packages, files = dict(began["packages"]), dict(began["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return [f"{directory / PROVENANCE} cannot be read: whether the code has changed since is not known"]
    now = package_versions()  # another version of this program may have noted others
    both = [name for name in packages if name in now]
    drift = [f"{name} was {packages[name]}, is {now[name]}" for name in both if now[name] != packages[name]]
    current = project_files(project)
    changed = [name for name in dict.fromkeys([*files, *current]) if files.get(name) != current.get(name)]
    if changed:
        shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
        drift.append(f"changed in the project since the search began: {shown}")
    return drift


@sealed_environment()
def describe_resume(request: Request) -> list[str]:
    """Returns, line by line, what `resume` would do; writes nothing, and runs nothing that the directory names."""
    directory = resume_directory(request)
    with _source_lines(request).added():
        stored = read_search(directory)
        config = override_config(stored.config, request.overrides[1:], changeable_keys())
    counts = Counter(record.outcome.value for record in stored.records)
    ended = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in counts.items()) or "none"
    lines = [f"{len(stored.records)} trials: {ended}"]
    lines += _describe_unfinished(stored)
    new = max(0, config.search.num_trials - sum(record.is_counted for record in stored.records))
    lines.append(f"{new} new trial{'s' * (new != 1)} would be asked for (search.num_trials={config.search.num_trials})")
    return lines + find_drift(directory, find_project(request.project, directory))


def _describe_unfinished(stored: StoredSearch) -> Sequence[str]:
    """Says from where each unfinished trial would go on."""
    lines = []
    for record in stored.records:
        if record.outcome in (Outcome.running, Outcome.interrupted):
            kept = (trial_dir(stored.directory, record.number) / "checkpoint.pt").is_file()
            place = "from its checkpoint" if kept else "from the beginning"
            orphaned = " (its driver died)" if record.outcome is Outcome.running else ""
            lines.append(f"trial {record.number} would go on {place}, after epoch {record.epochs}{orphaned}")
    return lines
