"""The space that follows from what a search has shown, as a YAML file that runs.

The file holds the whole experiment as it was searched, what the command line said included, so that the trials of the
search are trials of the next one too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from omegaconf import OmegaConf

from sesemi_search.config.experiment import plain, to_yaml
from sesemi_search.config.schema import EXPERIMENT_KEYS, SearchExperimentConfig
from sesemi_search.config.yaml_text import yaml_loader
from sesemi_search.project.project import Project, project_path, resource_dirs
from sesemi_search.report.advice import Advice, Kind
from sesemi_search.search.stored_search import StoredSearch
from sesemi_search.space.change import change_space
from sesemi_search.space.domains import Constant
from sesemi_search.space.write import write_space

__all__ = ["write_next_space"]

# Of one search, and not of the next.
_OWN = ("name", "study", "dir", "storage", "warm_start", "enqueue")
_PARTS = {"sampler": "learning_curves", "pruner": "late_halving"}  # with the default of each


def write_next_space(stored: StoredSearch, advice: Sequence[Advice], project: Project | None, command: str) -> str:
    """Returns the YAML of a space with each change that is advised, and above it why.

    A parameter that does not matter stays in it: with one value for all, the trials so far would be none of this space.

    Args:
        stored: The search.
        advice: What it shows.
        project: The project that the search was made from.
        command: What runs the file.
    """
    changes = {each.name: each.node for each in advice if each.node and each.kind is not Kind.fix}
    comments = {each.name: _explain(each) for each in advice if each.node is not None}
    config = plain(stored.config)
    default = plain(OmegaConf.structured(SearchExperimentConfig))
    sections = {key: _differing(config[key], default[key]) for key in (*EXPERIMENT_KEYS, "search")}
    if sections["run"].get("data_root") == str(project_path(project, default["run"]["data_root"])):
        del sections["run"]["data_root"]
    search = {key: value for key, value in sections["search"].items() if key not in _OWN}
    for part, name in _PARTS.items():
        if search.get(part) == _shipped_part(part, name):
            del search[part]
    sections["search"] = {**search, "warm_start": [str(stored.directory)]}
    head = (
        f"{config['search']['name']} once more, as its {len(stored.records)} trials suggest.",
        f"  {command}",
        "It begins with the trials of search.warm_start, which it does not run again.",
    )
    body = to_yaml({key: value for key, value in sections.items() if value}, "@package _global_", *head)
    return body + write_space(change_space(stored.space.root, changes), comments)


def _explain(advice: Advice) -> str:
    if isinstance(advice.node, Constant):
        kept = "(left as it is: with one value the trials so far would be none of this space)"
        return f"{advice.text} {kept}"
    return advice.text


def _differing(value: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the keys of a section that are not as the schema has them."""
    kept = {}
    for name, each in value.items():
        known = default.get(name)
        if isinstance(each, Mapping) and isinstance(known, Mapping):
            each = _differing(each, known)
            if not each:
                continue
        if each != known:
            kept[name] = each
    return kept


def _shipped_part(part: str, name: str) -> Any:
    """Returns what one of our own samplers or pruners is in YAML."""
    files = (folder / "search" / part / f"{name}.yaml" for folder in resource_dirs())
    text = next(file for file in files if file.is_file()).read_text(encoding="utf-8")
    return yaml.load(text, yaml_loader())
