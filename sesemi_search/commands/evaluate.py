"""`sesemi-search evaluate DIR`: how often a trained model is right on a split of its own data or of other data."""

import json
import logging

from rich.console import Console

from sesemi_search.commands.model_request import ModelRequest, compose_data, open_model
from sesemi_search.console import make_console, print_text
from sesemi_search.final.openings import count_opening, describe_openings
from sesemi_search.inference.evaluate import ALL, Evaluation, evaluate_model
from sesemi_search.project.project import find_project, project_path
from sesemi_search.search.directory import find_search, holds_search

__all__ = ["evaluate_command", "evaluate_model_on"]

logger = logging.getLogger(__name__)

_NUM_SHOWN = 20


def evaluate_command(request: ModelRequest, split: str, as_json: bool) -> int:
    """Scores a model and prints the scores; returns the exit code.

    Args:
        request: The model, and overrides of the config that it was trained with.
        split: `train`, `val`, `test` or `all`.
        as_json: Prints JSON, and nothing else.
    """
    if as_json:
        print_text(json.dumps(evaluate_model_on(request, split).to_json(), indent=1))
    else:
        console = make_console()
        _print_evaluation(evaluate_model_on(request, split), console)
    return 0


def evaluate_model_on(request: ModelRequest, split: str) -> Evaluation:
    """Scores a model on a split. Of `test` this is an opening of the test split, and is noted as one.

    Raises:
        ConfigError: The model or the data cannot be loaded, or the data has classes that the model does not know.
    """
    files, model = open_model(request)
    config = compose_data(request, files, model)
    if split in ("train", "val") and holds_search(files.folder / "models"):
        logger.info(
            "the model of a final run was trained on train and validation images: the score is of images it knows"
        )
    if split == "test" or (split == ALL and config.data.test_size is not None):
        run_folder = project_path(find_project(request.project, files.folder), config.run.dir)
        folders = [*filter(None, [find_search(files.folder)]), run_folder]
        if note := describe_openings(count_opening(folders, config.data, files.folder)):
            logger.info(note)
    return evaluate_model(model, config, split)


def _print_evaluation(evaluation: Evaluation, console: Console) -> None:
    top5 = "" if evaluation.top5 is None else f", top5 {evaluation.top5:.4f}"
    console.print(
        f"{evaluation.split}, {evaluation.num_images:,} images: top1 {evaluation.top1:.4f}{top5}, "
        f"loss {evaluation.loss:.4f}"
    )
    scores = [(score.recall, name, score) for name, score in evaluation.classes.items() if score.recall is not None]
    scores.sort(key=lambda each: each[0])
    width = max(len(name) for _, name, _ in scores[:_NUM_SHOWN])
    for recall, name, score in scores[:_NUM_SHOWN]:
        console.print(f"  {name:{width}}  {recall:.4f}  {score.num_right} of {score.num_images}", soft_wrap=True)
    if len(scores) > _NUM_SHOWN:
        console.print(f"  the worst {_NUM_SHOWN} of {len(scores)} classes; all of them: --json")
