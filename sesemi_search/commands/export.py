"""`sesemi-search export DIR`: a trained model as one file for another runtime."""

from pathlib import Path

from sesemi_search.commands.model_request import ModelRequest, open_model
from sesemi_search.console import make_console
from sesemi_search.errors import ConfigError, SesemiSearchError
from sesemi_search.inference.export import ExportFormat, export_model
from sesemi_search.project.project import check_writable, project_path

__all__ = ["export_command", "export_file"]


def export_command(request: ModelRequest, kind: str, out: Path | None) -> int:
    """Exports a model and says where to; returns the exit code.

    Args:
        request: The model.
        kind: Value of an `ExportFormat`.
        out: The file; None is `model.onnx` or `model.pt2` beside the weights.
    """
    console = make_console()
    path, difference = export_file(request, ExportFormat(kind), out)
    console.print(
        f"{path}: takes images (B, C, S, S) of any B, gives logits (B, K); at most {difference:.0e} from the model's",
        soft_wrap=True,
    )
    return 0


def export_file(request: ModelRequest, kind: ExportFormat, out: Path | None) -> tuple[Path, float]:
    """Exports a model; returns the file and the largest difference of its logits (see `export_model`).

    Raises:
        ConfigError: There is no model, the file cannot be written there, or a package is missing.
        SesemiSearchError: The model cannot be exported.
    """
    if len(request.arguments) > 1:
        raise ConfigError(
            "export", f"got {request.arguments[1]!r} behind the model; it takes one DIR and no KEY=VALUE."
        )
    files, model = open_model(request)
    path = project_path(None, str(out)) if out else files.folder / f"model{kind.suffix}"
    if path.is_dir():
        raise ConfigError("--out", f"{path} is a folder; it takes a file.")
    if not path.parent.is_dir():
        raise ConfigError("--out", f"there is no folder {path.parent}.")
    check_writable(path.parent, "--out")
    try:
        return path, export_model(model, path, kind)
    except OSError as error:
        raise SesemiSearchError(f"{path} cannot be written: {error.strerror or error}.") from error
