"""The model card: `README.md` of a folder with a model, for whoever gets it and was not there.

Mitchell et al., "Model Cards for Model Reporting", 2019. All but the scores is read from the files of the folder.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sesemi_search.atomic import write_text
from sesemi_search.inference.description import ModelDescription, read_description
from sesemi_search.inference.locate import read_config
from sesemi_search.project.project import MODEL_CARD, MODEL_JSON, PROVENANCE

__all__ = ["write_model_card"]

_TEMPLATE = """\
# {name}

An image classifier of {num_classes} classes, trained by `{command}`.

    import sesemi_search

    model = sesemi_search.load_model("this folder")
    print(model.predict("image.png").label)

## Numbers

{scores}

## Classes

{classes}

## Data

{data}

An image is prepared so:

{steps}

## How it was made

{made}

Config: `config.yaml`. Backbone and head:

{nodes}

## Limits

- It names one of its classes whatever an image shows, one of none of them too.
- The numbers hold for images like those of the data above. Of other cameras, sizes or mixtures of classes nothing was
  measured; `sesemi-search evaluate DIR data=...` does.
- Its probabilities are the network's own as long as `temperature` in `model.json` is 1; `sesemi-search calibrate DIR`
  fits it on validation images.
"""
_SHOWN = 100  # classes


def write_model_card(folder: Path, scores: Mapping[str, str]) -> None:
    """Writes `README.md` into a folder that has `model.json`, `config.yaml` and `provenance.json`.

    Args:
        folder: The folder.
        scores: By name, with all that has to be said of each: `{"test/top1": "0.9820 of 500 images"}`.

    Raises:
        ConfigError, OSError, ValueError: One of the files is missing or broken.
    """
    description, config = read_description(folder / MODEL_JSON), read_config(folder)
    provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    data = config.data
    facts = {
        "source": data.source,
        "test_source": data.test_source,
        "val_size": data.val_size,
        "test_size": data.test_size,
        "split_seed": data.split_seed,
        "train_fraction": data.train_fraction,
    }
    text = _TEMPLATE.format(
        name=config.run.id,
        num_classes=len(description.classes),
        command=provenance["command"],
        scores=_rows(scores),
        classes=_classes(description),
        data=_yaml(facts),
        steps="\n".join(f"{number}. {step}" for number, step in enumerate(description.preprocessing.steps(), start=1)),
        made=_rows(_made(provenance, config.run.num_epochs, config.run.seed)),
        nodes=_yaml({"backbone": dict(description.backbone), "head": dict(description.head)}),
    )
    write_text(folder / MODEL_CARD, text)


def _made(provenance: Mapping[str, Any], num_epochs: int, seed: int) -> dict[str, str]:
    git = provenance["git"] or {}
    changed = ", with changes" if git.get("dirty_diff") else ""
    versions = ", ".join(f"{name} {version}" for name, version in provenance["packages"].items() if version)
    return {
        "when": str(provenance["started"]),
        "code": f"commit {git['commit']}{changed}" if git else "of no repository",
        "length": f"{num_epochs} epochs, seed {seed}",
        "machine": f"{provenance['platform']}, {', '.join(provenance['gpus']) or 'no GPU'}",
        "versions": f"Python {provenance['python']}, {versions}",
    }


def _rows(values: Mapping[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items())])


def _classes(description: ModelDescription) -> str:
    names = list(description.classes[:_SHOWN])
    more = len(description.classes) - len(names)
    return _indented(json.dumps(names, ensure_ascii=False)) + (f"\n\nand {more} more, in `model.json`" if more else "")


def _yaml(value: Any) -> str:
    return _indented(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.rstrip().splitlines())
