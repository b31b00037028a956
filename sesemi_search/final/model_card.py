"""The model card of a final run: what the model is, how it came about, what it is worth and what is not known."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sesemi_search.atomic import write_text
from sesemi_search.config.schema import ExperimentConfig
from sesemi_search.final.final_plan import FinalPlan
from sesemi_search.final.result import FinalRun
from sesemi_search.inference.description import read_description
from sesemi_search.project.project import MODEL_JSON, PROVENANCE

__all__ = ["write_card"]


def write_card(plan: FinalPlan, run: FinalRun, config: ExperimentConfig) -> None:
    """Writes README.md into the folder of a final run."""
    write_text(run.directory / "README.md", "\n".join(_card(plan, run, config)) + "\n")


def _card(plan: FinalPlan, run: FinalRun, config: ExperimentConfig) -> Iterator[str]:
    hparams, data, test = config.learner.hparams, config.data, run.test
    winner = next(candidate for candidate in plan.candidates if candidate.name == run.winner)
    yield from (f"# {run.winner} of {plan.stored.name}", "")
    yield f"An image classifier of {hparams.num_classes} classes, trained by sesemi-search."
    yield from ("", "## The model", "")
    yield from _table(
        ("backbone", f"`{_target(hparams.model.backbone)}`"),
        ("head", f"`{_target(hparams.model.head)}`"),
        ("parameters", f"{winner.num_params:,}"),
        ("input", f"{data.channels} channels of {data.image_size} x {data.image_size} pixels in [0, 1]"),
        ("normalization", f"mean {data.mean}, standard deviation {data.std}"),
    )
    yield ""
    yield "`config.yaml` is its whole config, `model.safetensors` and `model.pt` are its weights, and `model.json` says"
    yield "how an image is prepared and what the classes are called."
    yield from ("", "## The data", "")
    yield from _table(
        ("source", f"`{json.dumps(data.source, default=str)}`"),
        ("trained on", f"train and validation images, {config.run.num_epochs} epochs, seed {config.run.seed}"),
        ("tested on", f"{test['num_images']:,} images, opened {run.opened}, {_before(run.metrics['openings_before'])}"),
    )
    yield from ("", "## What it is worth", "")
    yield from _table(
        ("test top1", _share(test["top1"]) + " ({} to {}, 95%)".format(*map(_share, test["interval"]))),
        ("balanced accuracy", _share(test["balanced_accuracy"])),
        ("macro F1", _share(test["macro_f1"])),
        ("calibration error", _share(test["calibration_error"])),
    )
    yield from ("", "The share of right answers of each class:", "", "| class | images | right |", "|---|---|---|")
    classes = read_description(run.directory / MODEL_JSON).classes
    for name, right, row in zip(classes, test["per_class"], test["confusion"], strict=True):
        yield f"| {name.replace('|', '/')} | {sum(row)} | {'-' if right is None else _share(right)} |"
    yield from ("", "## How it was chosen", "")
    yield f"By `{run.metrics['metric']}` on validation images, over seeds that the search did not use:"
    yield from ("", *(f"- {sentence}" for sentence in run.sentences))
    yield from ("", "## How to make it again", "")
    provenance = _provenance(run.directory)
    yield f"    {provenance['command']}"
    yield ""
    versions = ", ".join(f"{name} {version}" for name, version in provenance["packages"].items() if version)
    yield f"Python {provenance['python']}, {versions}; {provenance['platform']}."
    yield f"The search is in `{shlex.quote(str(plan.stored.directory))}`."
    yield from ("", "## Limits", "")
    yield "- The interval of the test score is about the number of test images. Images of another kind may differ."
    yield "- The model gives one of its classes to every image, to one that is of none as well."
    yield "- Its probabilities are as far off as the calibration error says, on images like those of the test."


def _table(*rows: tuple[str, str]) -> Iterator[str]:
    yield from ("| | |", "|---|---|")
    for name, value in rows:
        yield f"| {name} | {value.replace('|', '/')} |"


def _before(num_openings: int) -> str:
    times = f"{num_openings} time{'s' * (num_openings != 1)} before" if num_openings else "never before"
    return f"{times} by this search"


def _target(node: Any) -> str:
    return str(node["_target_"])


def _share(value: float) -> str:
    return f"{value:.4f}"


def _provenance(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / PROVENANCE).read_text())
    return content
