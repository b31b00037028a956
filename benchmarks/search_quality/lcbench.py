"""LCBench as a surrogate: 50 epochs of multi-layer perceptrons on 35 tables of OpenML, seven dimensions.

The surrogate is that of YAHPO Gym (Pfisterer et al. 2022) for the runs of LCBench (Zimmer et al. 2021), Apache 2.0:
`model.onnx`, `encoding.json` and `config_space.json` from the folder `lcbench` of
https://github.com/slds-lmu/yahpo_data. It needs the package onnxruntime.

What is chosen is chosen with the instances at even places of the encoding's order, counted from 0; those at odd places
are for the table that is reported.
"""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_quality.simulate import Curve

__all__ = ["LCBench", "read_instances"]

_NUM_EPOCHS = 50
_NUM_REFERENCE, _REFERENCE_SEED = 10_000, 12345
_INSTANCE = "OpenML_task_id"
_EPOCH = "epoch"
# The order of the surrogate's inputs and outputs (yahpo_gym/benchmarks/lcbench.py).
_INPUTS = (
    _EPOCH, "batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout",
)  # fmt: skip
_SECONDS, _VAL_ACCURACY, _TEST_BALANCED_ACCURACY = 0, 1, 5


def read_instances(folder: Path) -> tuple[list[str], list[str]]:
    """Returns the instances to choose with and those to report."""
    codes: dict[str, int] = json.loads((folder / "encoding.json").read_text())[_INSTANCE]
    instances = [name for name in sorted(codes, key=lambda name: codes[name]) if name != "#na#"]
    return instances[0::2], instances[1::2]


class LCBench:
    """One instance of the surrogate.

    Args:
        folder: The folder with the surrogate's files.
        instance: Name of the instance.
    """

    num_epochs = _NUM_EPOCHS

    def __init__(self, folder: Path, instance: str) -> None:
        import onnxruntime

        self.name = f"lcbench/{instance}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self._code: int = json.loads((folder / "encoding.json").read_text())[_INSTANCE][instance]
        parameters = json.loads((folder / "config_space.json").read_text())["hyperparameters"]
        self._parameters = {each["name"]: each for each in parameters if each["name"] not in (_INSTANCE, _EPOCH)}
        self.space = {name: _to_domain(each) for name, each in self._parameters.items()}

    def begin(self) -> None:
        """Nothing: a config always has the same curve."""

    def curve(self, params: Mapping[str, Any]) -> Curve:
        """Returns validation accuracy, in percent."""
        row = [float(params[name]) for name in _INPUTS[1:]]
        output = self._predict(np.tile(row, (_NUM_EPOCHS, 1)), np.arange(1.0, _NUM_EPOCHS + 1))
        seconds = max(float(output[-1, _SECONDS]), 1e-3) / _NUM_EPOCHS
        return Curve(output[:, _VAL_ACCURACY].tolist(), output[:, _TEST_BALANCED_ACCURACY].tolist(), seconds)

    def regret(self, value: float) -> float:
        """Returns how far a final value is from the best of 10,000 random configs: 1 is their median, and the most."""
        best, median = self._reference
        return 1.0 if np.isnan(value) else min(1.0, (best - value) / (best - median))

    @cached_property
    def _reference(self) -> tuple[float, float]:
        rng = np.random.default_rng(_REFERENCE_SEED)
        columns = [_draw(self._parameters[name], rng.random(_NUM_REFERENCE)) for name in _INPUTS[1:]]
        values = self._predict(np.column_stack(columns), np.full(_NUM_REFERENCE, _NUM_EPOCHS))[:, _VAL_ACCURACY]
        return float(values.max()), float(np.median(values))

    def _predict(self, rows: NDArray[np.float64], epochs: NDArray[np.float64]) -> NDArray[np.float64]:
        inputs = np.column_stack([epochs, rows]).astype(np.float32)
        codes = np.full((len(rows), 1), self._code, np.int32)
        output: NDArray[np.float64] = self._session.run(None, {"x_cat": codes, "x_cont": inputs})[0].astype(np.float64)
        return output


def _to_domain(parameter: Mapping[str, Any]) -> dict[str, Any]:
    kind = "int" if "int" in parameter["type"] else "float"
    return {kind: [parameter["lower"], parameter["upper"]], "log": parameter["log"]}


def _draw(parameter: Mapping[str, Any], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = parameter["lower"], parameter["upper"]
    is_int = "int" in parameter["type"]
    if is_int:
        low, high = low - 0.5, high + 0.5
    if parameter["log"]:
        values = np.exp(np.log(low) + shares * (np.log(high) - np.log(low)))
    else:
        values = low + shares * (high - low)
    drawn: NDArray[np.float64] = np.clip(np.round(values), parameter["lower"], parameter["upper"]) if is_int else values
    return drawn
