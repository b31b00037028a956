"""A trained model for other runtimes: as ONNX, or as a program of torch.export. The file says how to prepare an image.

What is exported takes prepared images `images` (B, C, S, S), B of any size, and gives `logits` (B, K), divided by the
temperature: a softmax of them gives the probabilities. It is compared with the model before a file is written.
"""

import io
import json
import logging
import warnings
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sesemi_search.atomic import atomic_file
from sesemi_search.errors import ConfigError, SesemiSearchError, describe_exception, user_code
from sesemi_search.inference.classifier import ImageClassifier

__all__ = ["ExportFormat", "export_model"]

_TOLERANCE = 1e-4  # of a logit, or of the largest where that is above 1
_BATCHES = (1, 5)  # sizes that the exported model is compared at; it is exported with another one
_EXPORTED = 2
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_Run = Callable[[Tensor], Tensor]


class ExportFormat(Enum):
    """What a model is exported as."""

    onnx = "onnx"
    torch_export = "torch-export"

    @property
    def suffix(self) -> str:
        """Of its files."""
        return ".onnx" if self is ExportFormat.onnx else ".pt2"


def export_model(model: ImageClassifier, path: Path, kind: ExportFormat) -> float:
    """Writes a model as a file for another runtime, and returns the largest difference of its logits.

    Args:
        model: On the CPU.
        path: The file; its folder exists.
        kind: The format. ONNX takes the packages of the extra `export`.

    Raises:
        ConfigError: A package is missing.
        SesemiSearchError: The model cannot be exported, or what was exported gives other logits; nothing was written.
        OSError: The file cannot be written.
    """
    facts = {
        "classes": json.dumps(model.classes),
        "preprocessing": json.dumps(model.preprocessing.to_json()),
        "input": "images, float32 (B, C, S, S), prepared as preprocessing says",
        "output": "logits, float32 (B, K); their softmax gives the probabilities of the classes",
    }
    write = _export_onnx if kind is ExportFormat.onnx else _export_torch
    try:
        with user_code(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporters' own, of their own code
            content, run = write(model, facts)
            difference = max(_compare(model, run, size) for size in _BATCHES)
    except ConfigError:
        raise
    except Exception as error:  # the exporters raise a dozen kinds
        raise SesemiSearchError(f"the model cannot be exported as {kind.value}: {describe_exception(error)}") from error
    if not difference <= _TOLERANCE:
        raise SesemiSearchError(
            f"what was exported as {kind.value} gives other logits than the model, by {difference:.1e}; it is not "
            f"written. It takes at most {_TOLERANCE:g}."
        )
    with atomic_file(path) as file:
        file.write(content)
    return difference


def _export_onnx(model: ImageClassifier, facts: dict[str, str]) -> tuple[bytes, _Run]:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            "--format",
            f"onnx takes {', '.join(_PACKAGES)}, and {error.name} is not installed: "
            "pip install 'sesemi-search[export]'",
        ) from error
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):  # they tell of each of their steps
        logging.getLogger(name).setLevel(logging.ERROR)
    program: Any = torch.onnx.export(
        model,
        (_images(model, _EXPORTED),),
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        dynamo=True,
        verbose=False,
    )
    proto = program.model_proto
    for key, value in facts.items():
        proto.metadata_props.add(key=key, value=value)
    content: bytes = proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return content, lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def _export_torch(model: ImageClassifier, facts: dict[str, str]) -> tuple[bytes, _Run]:
    dynamic = {"images": {0: torch.export.Dim("batch")}}
    program = torch.export.export(model, (_images(model, _EXPORTED),), dynamic_shapes=dynamic)
    content = io.BytesIO()
    torch.export.save(program, content, extra_files=facts)
    content.seek(0)
    return content.getvalue(), torch.export.load(content).module()


@torch.inference_mode()
def _compare(model: ImageClassifier, run: _Run, batch_size: int) -> float:
    """Returns the largest difference of two models' logits on noise, as a share of the largest logit above 1."""
    images = _images(model, batch_size)
    expected = model(images)
    return float((run(images) - expected).abs().max() / expected.abs().max().clamp(min=1))


def _images(model: ImageClassifier, batch_size: int) -> Tensor:
    """Returns prepared noise: (B, C, S, S)."""
    size, channels = model.preprocessing.image_size, model.preprocessing.channels
    generator = torch.Generator().manual_seed(batch_size)
    pixels = torch.randint(256, (batch_size, channels, size, size), generator=generator, dtype=torch.uint8)
    return model.preprocessing.normalize(pixels)
