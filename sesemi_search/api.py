"""What the verbs `run`, `resume`, `final`, `train`, `evaluate` and `export` do, from a script or a notebook.

A config is given as the command line gives it, `["run.num_epochs=9"]`, or by keywords, `run={"num_epochs": 9}`, or as
both; the keywords win. Mistakes raise `ConfigError`. What the verbs print is printed. Ctrl-C, a notebook's interrupt,
ends a search in order; call these functions on the main thread, which signals come to.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sesemi_search.commands.evaluate import evaluate_model_on
from sesemi_search.commands.export import export_file
from sesemi_search.commands.final import carry_out_final
from sesemi_search.commands.model_request import ModelRequest
from sesemi_search.commands.resume import resume_search
from sesemi_search.commands.run import begin_search
from sesemi_search.commands.train import train_config
from sesemi_search.commands.trial_request import request_trial
from sesemi_search.config.compose import Request
from sesemi_search.config.keywords import write_overrides
from sesemi_search.data.splits import SPLITS
from sesemi_search.errors import ConfigError
from sesemi_search.final.result import FinalRun
from sesemi_search.final.train import FinalResult
from sesemi_search.inference.evaluate import ALL, Evaluation
from sesemi_search.inference.export import ExportFormat
from sesemi_search.report.search import Search, open_search

__all__ = ["evaluate", "export", "resume", "run", "run_final", "train"]


def run(
    overrides: Sequence[str] = (),
    *,
    config_name: str | None = None,
    config_dir: str | Path | None = None,
    project: str | Path | None = None,
    **config: Any,
) -> Search:
    """Searches a space to its end, as `sesemi-search run` does: `run(space="lenet_cosine", search={"num_trials": 9})`.

    Args:
        overrides: Of the command line.
        config_name: The experiment; of a space that names its own, None.
        config_dir: A folder of YAML to search first.
        project: The folder that has configs/ and src/; by default the one that the working directory is in.
        config: Sections and keys: `space`, `run`, `data`, `learner`, `search`, `tracking`, `ray`. A node of the space
            is `**{"space.PATH": {"float": [0.1, 1]}}`.

    Raises:
        ConfigError: With all that is wrong; nothing was begun.
    """
    _check_thread()
    request = _request(True, [*overrides, *write_overrides(config)], config_name, config_dir, project)
    return open_search(begin_search(request, ["run", *request.overrides]).directory)


def resume(
    directory: "str | Path | Search", overrides: Sequence[str] = (), *, project: str | Path | None = None, **config: Any
) -> Search:
    """Goes on with a search to its end, as `sesemi-search resume` does.

    Args:
        directory: Its directory, or what `open_search` returned.
        overrides: Of what a search may change while it goes on.
        project: The folder that has configs/ and src/; by default the one that the search was made from.
        config: The same as sections and keys: `search={"num_trials": 200}`.

    Raises:
        ConfigError: There is no search, or an override would change what its trials are.
    """
    _check_thread()
    request = _request(True, [_path(directory), *overrides, *write_overrides(config)], None, None, project)
    return open_search(resume_search(request, ["resume", *request.overrides]).directory)


def run_final(
    search: "str | Path | Search",
    overrides: Sequence[str] = (),
    *,
    trial: int | None = None,
    again: bool = False,
    project: str | Path | None = None,
    **config: Any,
) -> FinalRun:
    """Carries out the final run of a search, or the rest of it, as `sesemi-search final` does.

    Args:
        search: The search, its directory or what `open_search` returned.
        overrides: Of the command line.
        trial: The trial to take, whatever comes of it; by default the best are confirmed and one of them is chosen.
        again: Begins another final run beside the one that there is, which opens the test split once more.
        project: The folder that has configs/ and src/; by default the one that the search was made from.
        config: Sections and keys: `final={"num_seeds": 9}`, `run={"num_epochs": 100}`.

    Returns:
        The final run; of a search that has one already, that one.

    Raises:
        ConfigError: With all that is wrong; nothing was begun.
        KeyboardInterrupt: It was interrupted, and goes on when it is called again.
    """
    _check_thread()
    chosen = [] if trial is None else [f"final.trial={trial}"]
    words = [_path(search), *overrides, *chosen, *write_overrides(config)]
    return carry_out_final(_request(True, words, None, None, project), ["final", *words], again)


def train(
    search: "str | Path | Search | None" = None,
    overrides: Sequence[str] = (),
    *,
    trial: int | None = None,
    config_name: str | None = None,
    config_dir: str | Path | None = None,
    project: str | Path | None = None,
    **config: Any,
) -> FinalResult:
    """Trains one config in full and scores it on the test split if `run.test` says so, as `sesemi-search train` does.

    Args:
        search: The search whose trial it is, its directory or what `open_search` returned; None with `config_name`.
        overrides: Of the command line.
        trial: The trial; by default the best.
        config_name: The experiment, where it is no trial's.
        config_dir: A folder of YAML to search first.
        project: The folder that has configs/ and src/.
        config: Sections and keys: `run={"num_epochs": 100}`.

    Raises:
        ConfigError: With all that is wrong; nothing was written.
        Diverged: The loss became NaN or infinite.
    """
    words = [*([] if search is None else [_path(search)]), *overrides, *write_overrides(config)]
    request = request_trial(_request(False, words, config_name, config_dir, project), trial)
    options = [] if trial is None else ["--trial", str(trial)]
    options += [] if config_name is None else ["--config-name", config_name]
    return train_config(request, ["train", *words, *options])


def evaluate(
    model: "str | Path | Search",
    overrides: Sequence[str] = (),
    *,
    split: str = "test",
    project: str | Path | None = None,
    device: str | None = None,
    **config: Any,
) -> Evaluation:
    """Scores a trained model on a split of its data or of other data, as `sesemi-search evaluate` does.

    Args:
        model: Its folder or file, as `load_model` takes it, or what `open_search` returned.
        overrides: Of the config that it was trained with, of the data: `["data=mnist"]`.
        split: `test`, which opens the test split, `val`, `train`, or `all` images of the source.
        project: The folder that has configs/ and src/; by default the one that the model was trained in.
        device: Where to compute; by default a GPU where there is one.
        config: The same as sections and keys: `data={"source": {...}}`.

    Raises:
        ConfigError: The model or the data cannot be loaded, or the data has classes that the model does not know.
    """
    if split not in (*SPLITS, ALL):
        raise ConfigError("split", f"got {split!r}; it takes {', '.join(SPLITS)} or {ALL}.")
    words = [_path(model), *overrides, *write_overrides(config)]
    folder = None if project is None else Path(project)
    return evaluate_model_on(ModelRequest("evaluate", words, folder, device=device), split)


def export(
    model: "str | Path | Search",
    out: str | Path | None = None,
    *,
    kind: str = "onnx",
    project: str | Path | None = None,
    trust: bool = False,
) -> Path:
    """Writes a trained model for another runtime, as `sesemi-search export` does, and returns the file.

    Args:
        model: Its folder or file, as `load_model` takes it, or what `open_search` returned.
        out: The file; by default `model.onnx` or `model.pt2` beside the weights.
        kind: `onnx` or `torch-export`.
        project: As `load_model` takes it.
        trust: As `load_model` takes it.

    Raises:
        ConfigError: There is no model, the file cannot be written there, or a package is missing.
        SesemiSearchError: The model cannot be exported.
    """
    kinds = [each.value for each in ExportFormat]
    if kind not in kinds:
        raise ConfigError("kind", f"got {kind!r}; it takes {' or '.join(kinds)}.")
    folder = None if project is None else Path(project)
    request = ModelRequest("export", [_path(model)], folder, trust, device="cpu")
    return export_file(request, ExportFormat(kind), None if out is None else Path(out))[0]


def _check_thread() -> None:
    """Sees that signals can reach a search.

    Raises:
        ConfigError: They cannot.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigError("", "call it on the main thread: only there do signals end a search in order.")


def _request(
    search: bool,
    overrides: Sequence[str],
    config_name: str | None,
    config_dir: str | Path | None,
    project: str | Path | None,
) -> Request:
    return Request(
        search=search,
        overrides=overrides,
        config_name=config_name,
        config_dir=None if config_dir is None else Path(config_dir),
        project=None if project is None else Path(project),
    )


def _path(search: "str | Path | Search") -> str:
    return str(search.directory if isinstance(search, Search) else search)
