"""`sesemi-search calibrate DIR`: fits the temperature of a model's probabilities and keeps it with the model."""

from dataclasses import replace

from sesemi_search.commands.model_request import ModelRequest, compose_data, open_model
from sesemi_search.console import make_console
from sesemi_search.errors import ConfigError
from sesemi_search.inference.calibration import fit_temperature, mean_loss
from sesemi_search.inference.description import write_description
from sesemi_search.inference.evaluate import collect_logits
from sesemi_search.inference.locate import describe_files
from sesemi_search.project.project import MODEL_FILES
from sesemi_search.search.directory import holds_search

__all__ = ["calibrate_command"]


def calibrate_command(request: ModelRequest) -> int:
    """Fits a model's temperature on the validation split and writes it into its `model.json`; returns the exit code.

    Raises:
        ConfigError: The model or the data cannot be loaded, or the model is a trial's, which is the search's to write.
    """
    console = make_console()
    files, model = open_model(request)
    if files.weights.name not in MODEL_FILES:
        raise ConfigError(
            "calibrate", f"{files.folder} is no final run's; train it first: sesemi-search train {request.arguments[0]}"
        )
    if holds_search(files.folder / "models"):
        raise ConfigError(
            "calibrate",
            f"{files.folder} was trained on the validation images too: they say nothing of how sure it may be. "
            "Calibrate a model of sesemi-search train.",
        )
    model.temperature.fill_(1.0)
    logits, labels = collect_logits(model, compose_data(request, files, model), "val")
    temperature = fit_temperature(logits, labels)
    write_description(files.folder, replace(describe_files(files, trust=True), temperature=temperature))
    before, after = mean_loss(logits, labels, 1.0), mean_loss(logits, labels, temperature)
    console.print(
        f"temperature {temperature:g}, fitted on {len(labels):,} validation images: their loss goes from {before:.4f} "
        f"to {after:.4f}, and no answer changes"
    )
    console.print(
        f"predict, evaluate, export and load_model take it from {files.folder / 'model.json'}", soft_wrap=True
    )
    return 0
