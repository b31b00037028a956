"""What W&B compares runs by: a column for each varied key and a few facts, the same in every search of a project.

A table of one search names a parameter by the shortest suffix that is unique in its space. Here a name depends on the
key alone, so that `lr` is one column of all searches, whatever else is varied and under whatever option.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sesemi_search.config.schema import HParamsConfig, ModelConfig, RunConfig

__all__ = ["CONFIG_FILE", "column_name", "experiment_facts", "node_label"]

# The whole config, as a file of a run; W&B writes a config.yaml of its own into each.
CONFIG_FILE = "experiment.yaml"

_HPARAMS = "learner.hparams."
# Sections whose own keys are known; an optimizer's are its class's arguments, and are none of these.
_SECTIONS = {
    section: {each.name for each in fields(kind)} for section, kind in (("model", ModelConfig), ("run", RunConfig))
}
_TAKEN = {
    "choice",
    "flops",
    "num_params",
    *(each.name for each in fields(HParamsConfig)),
    *_SECTIONS["model"],
    *_SECTIONS["run"],
}


def column_name(key: str) -> str:
    """Returns the column of a dotted key of the config: `lr`, `head/scale`, `batch_size_per_gpu`.

    The sections `run`, `learner.hparams`, and in that `model` and `optimizer`, go without saying, except where what is
    left would be the name of another key. W&B advises against dots, which it takes for levels.
    """
    name = key.removeprefix(_HPARAMS)
    section, _, rest = name.partition(".")
    first = rest.partition(".")[0]
    known = _SECTIONS.get(section)
    if first and (first in known if known else section == "optimizer" and first not in _TAKEN):
        name = rest
    return name.replace(".", "/")


def experiment_facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is told of any experiment: its backbone and head by their labels, its seed and its epochs.

    Args:
        config: The experiment, resolved.
    """
    run, model = config["run"], config["learner"]["hparams"]["model"]
    facts = {"backbone": node_label(model.get("backbone")), "head": node_label(model.get("head"))}
    facts |= {"seed": run.get("seed"), "num_epochs": run["num_epochs"]}
    return {name: value for name, value in facts.items() if value is not None}


def node_label(node: Any) -> str | None:
    """Returns what a `_target_` node is called: its `name`, as a model of timm has one, or its class; else None."""
    if not isinstance(node, Mapping):
        return None
    name, target = node.get("name"), node.get("_target_")
    if isinstance(name, str) and name:
        return name
    return target.rpartition(".")[2] if isinstance(target, str) else None
