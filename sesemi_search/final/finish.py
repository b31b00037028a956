"""The end of a final run, when its models are trained: the test split, and all that is left for people and programs.

Nothing is trained here. What is cut off is done anew, and gives the same; `metrics.json` is written last.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sesemi_search.atomic import write_text
from sesemi_search.config.experiment import Complete, load_experiment, type_experiment
from sesemi_search.config.schema import DataConfig, ExperimentConfig
from sesemi_search.data import load_splits, open_images
from sesemi_search.data.splits import check_labels
from sesemi_search.errors import user_code
from sesemi_search.final.final_plan import FinalPlan
from sesemi_search.final.model_card import write_card
from sesemi_search.final.openings import count_opening, earlier_openings
from sesemi_search.final.result import FinalRun, read_final
from sesemi_search.final.test_scores import Scores, predict, score
from sesemi_search.final.verdict import Verdict
from sesemi_search.inference import save_model
from sesemi_search.models.classifier import build_classifier
from sesemi_search.models.weights import load_strictly
from sesemi_search.project.project import METRICS, MODEL_JSON, MODEL_SAFETENSORS, PROVENANCE
from sesemi_search.search.directory import trial_dir
from sesemi_search.search.ledger.records import TrialRecord
from sesemi_search.tracking.choose import result_tracker
from sesemi_search.tracking.columns import experiment_facts
from sesemi_search.tracking.tracker import Exhibits, ModelFiles, RunStart
from sesemi_search.training import eval_weights, load_checkpoint, resolve_device
from sesemi_search.training.device import autocast_dtype, make_deterministic
from sesemi_search.training.evaluation import SplitMetrics

__all__ = ["finish"]


@user_code()
def finish(
    plan: FinalPlan,
    winner: str,
    verdict: Verdict,
    runs: Sequence[TrialRecord],
    models: Sequence[TrialRecord],
) -> FinalRun:
    """Saves the model, scores it on the test split and writes what is left of a final run.

    Args:
        plan: The plan.
        winner: The candidate that was trained.
        verdict: What confirm says.
        runs: The trials of confirm.
        models: The trials of the final training, all complete; the first is the model that is left.

    Raises:
        ConfigError: The test split cannot be read, or it cannot be noted that it is opened.
    """
    folders = [trial_dir(plan.models_folder, model.number) for model in models]
    configs = [type_experiment(load_experiment(folder / "config.yaml")) for folder in folders]
    classifiers = [_load(config, folder) for config, folder in zip(configs, folders, strict=True)]
    save_model(plan.folder, classifiers[0], configs[0])
    text = (folders[0] / "config.yaml").read_text().split("\n", 1)[1]
    write_text(plan.folder / "config.yaml", f"# {winner} of {plan.stored.name}, as its final run trained it.\n{text}")
    opened, num_before = _note_opening(plan, configs[0].data)
    scores = _score_test(configs, classifiers)
    sentences = verdict.sentences()
    if winner != verdict.winner:
        sentences = [f"{winner} is trained, as asked for, whatever follows", *sentences]
    metrics = {
        "outcome": "complete",
        "search": plan.stored.name,
        "winner": winner,
        "metric": plan.setup.objective.name,
        "verdict": {**verdict.as_dict(), "sentences": sentences},
        "confirm": [_describe_run(run, plan.setup.objective.name) for run in runs],
        "num_epochs": configs[0].run.num_epochs,
        "models": [
            {**_describe_run(model, "train/loss"), "test/top1": each.top1}
            for model, each in zip(models, scores, strict=True)
        ],
        "opened": opened,
        "openings_before": num_before,
        "test": scores[0].to_json(),
    }
    metrics = _without_nan(metrics)
    _track(plan, winner, load_experiment(folders[0] / "config.yaml"), metrics)
    write_card(plan, FinalRun(plan.folder, winner, sentences, metrics["test"], opened, metrics), configs[0])
    write_text(plan.folder / METRICS, json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    over = read_final(plan.folder)
    assert over is not None
    return over


def _load(config: ExperimentConfig, folder: Path) -> nn.Module:
    """Returns the model that a trial of the final training came to."""
    hparams = config.learner.hparams
    model = build_classifier(hparams.model.backbone, hparams.model.head, hparams.num_classes)
    weights = eval_weights(load_checkpoint(folder / "checkpoint.pt"))
    load_strictly(model, weights, "the weights do not fit their own model")
    return model


def _note_opening(plan: FinalPlan, data: DataConfig) -> tuple[str, int]:
    """Notes that the test split is opened, once however often its scoring is cut off.

    Returns:
        When that was, and how often it was opened before.
    """
    began = json.loads((plan.folder / PROVENANCE).read_text())["started"]  # a folder of this name may have been before
    folders = plan.openings_folders

    def own() -> list[int]:
        return [
            i for i, o in enumerate(earlier_openings(folders, data)) if o.run == str(plan.folder) and o.when >= began
        ]

    if not own():
        count_opening(folders, data, plan.folder)
    first = own()[0]
    return earlier_openings(folders, data)[first].when, first


def _score_test(configs: Sequence[ExperimentConfig], models: Sequence[nn.Module]) -> list[Scores]:
    """Opens the test split and scores each model on it."""
    run, data = configs[0].run, configs[0].data
    placement = resolve_device(run.accelerator, run.gpus)
    make_deterministic(placement.device, run.num_threads)
    split = load_splits(data, Path(run.data_root), ("test",), run.memory_share)["test"]
    check_labels(split, configs[0].learner.hparams.num_classes)
    dtype = autocast_dtype(run.precision, placement.device)
    scores = []
    for config, model in zip(configs, models, strict=True):
        images = open_images("test", split, config.data, run, placement.device)
        probabilities = predict(model.to(placement.device), images, run.batch_size_per_gpu, dtype)
        num_classes = config.learner.hparams.num_classes
        measured = SplitMetrics(config.learner.metrics, num_classes, torch.device("cpu"))
        others = (
            measured.measure(torch.from_numpy(probabilities).float(), split.labels, "test") if len(measured) else {}
        )
        scores.append(score(probabilities, split.labels, {k.removeprefix("test/"): v for k, v in others.items()}))
    return scores


def _track(plan: FinalPlan, winner: str, config: Complete, metrics: Mapping[str, Any]) -> None:
    """Shows what came of it as a run of its own, beside those of its trainings."""
    settings = plan.setup.typed(next(iter(plan.configs.values())))
    confirmed = next(each for each in metrics["verdict"]["scores"] if each["name"] == winner)
    test = {f"test/{name}": value for name, value in metrics["test"].items() if isinstance(value, float)}
    low, high = metrics["test"]["interval"]
    of_confirm = {f"confirm/{name}": confirmed[name] for name in ("mean", "std", "num_seeds")}
    summary = {"winner": winner, **test, "test/top1/low": low, "test/top1/high": high, **of_confirm}
    if (shown := result_tracker(settings.tracking, plan.folder)) is None:
        return
    with closing(shown) as tracker:
        run_id = f"{plan.setup.study}-final-test"
        num_epochs = metrics["num_epochs"]
        facts = experiment_facts(config)
        tracker.start(RunStart(0, run_id, "final", "final", plan.setup.group, {}, facts, num_epochs))
        if settings.tracking.log_model:
            names = (MODEL_SAFETENSORS, MODEL_JSON, "config.yaml")
            files = {name: plan.folder / name for name in names}
            name = f"{plan.setup.group}-final"
            tracker.show(0, Exhibits(model=ModelFiles(name, files, ["final"], {"winner": winner, **summary})))
        tracker.end(0, "complete", summary)


def _describe_run(run: TrialRecord, metric: str) -> dict[str, Any]:
    """Returns a training of a phase as JSON has it."""
    return {
        "trial": run.number,
        "candidate": run.params["candidate"],
        "seed": run.params["seed"],
        "outcome": run.outcome.value,
        metric: run.value,
        "epochs": run.epochs,
        "seconds": run.seconds,
    }


def _without_nan(value: Any) -> Any:
    """Returns a value with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _without_nan(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(child) for child in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
