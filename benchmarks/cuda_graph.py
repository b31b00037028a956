"""What `run.cuda_graph` gives: steps a second, the same numbers, what an epoch costs besides, memory, and the start.

    python benchmarks/cuda_graph.py OUT.json [--quick]

One GPU, about two minutes. It prints tables in Markdown and writes their rows. The experiments are those of
`gpu_speed.py`: batches of 128 of 4,000 digits, 500 to validate, SGD with momentum, in one process with one CPU thread.

- steps: steps a second of `Fit`, its evaluation left out, without a graph and with one, by arithmetic, layout and
  optimizer; the median of 5 epochs of 31 steps after 2 uncounted ones.
- epochs: whether the metrics of 3 epochs with augmentations and dropout are equal to the last bit, eager and with a
  graph; and of two eager runs, as some kernels add up in any order.
- around: milliseconds of an epoch, of its validation and of its checkpoint, after 4 epochs.
- start: seconds of the first two epochs, construction included, and the most memory that torch held.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from gpu_speed import MEAN, MODELS, STD, device, experiment, images, rate, wait

from sesemi_search.config.schema import CudaGraph, ExperimentConfig, Precision
from sesemi_search.data import InMemoryImages, Preparation, load_splits
from sesemi_search.data.augment import RandomCrop, RandomHorizontalFlip
from sesemi_search.project.sesemi_modules import install
from sesemi_search.training import Fit, save_checkpoint

# Arithmetic, what else is set, and whether the layout of the convolutions is channels_last.
WAYS: dict[str, tuple[Precision, Mapping[str, Any], bool, bool]] = {
    "float32": (Precision.fp32, {}, False, False),
    "float32, TF32": (Precision.fp32, {}, False, True),
    "float32, fused": (Precision.fp32, {"fused": True}, False, False),
    "bfloat16": (Precision.bf16, {}, False, False),
    "bfloat16, fused": (Precision.bf16, {"fused": True}, False, False),
    "bfloat16, channels_last": (Precision.bf16, {}, True, False),
    "bfloat16, fused, channels_last": (Precision.bf16, {"fused": True}, True, False),
    "bfloat16, AdamW": (Precision.bf16, {"_target_": "torch.optim.AdamW", "lr": 1e-3}, False, False),
    "bfloat16, AdamW fused": (
        Precision.bf16,
        {"_target_": "torch.optim.AdamW", "lr": 1e-3, "fused": True},
        False,
        False,
    ),
}
SETTINGS = (CudaGraph.never, CudaGraph.auto)
SHORT = {CudaGraph.never: "eager", CudaGraph.auto: "graph"}


def build(config: ExperimentConfig, data: Mapping[str, InMemoryImages]) -> Fit:
    return Fit(config, data["train"], data["val"])


def steps(data: Mapping[str, InMemoryImages], rows: list[dict[str, Any]]) -> list[list[str]]:
    """Measures steps a second."""
    num_steps = data["train"].num_batches(128, drop_last=True)
    table = []
    for way, (precision, optimizer, channels_last, tf32) in WAYS.items():
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        cells = []
        for model in MODELS:
            found = {}
            for setting in SETTINGS:
                config = experiment(model, precision, setting)
                given = config.learner.hparams.optimizer
                kept = {} if "_target_" in optimizer else given
                config.learner.hparams.optimizer = {**kept, **optimizer}
                fit = build(config, data)
                if channels_last:
                    fit.model.to(memory_format=torch.channels_last)
                found[setting] = rate(fit._train_pass, num_steps)
                rows.append(
                    {"what": "steps", "way": way, "model": model, "graph": setting.value, "per_s": found[setting]}
                )
            eager, graph = (found[setting] for setting in SETTINGS)
            cells.append(f"{eager:.0f} → {graph:.0f} ({graph / eager:.1f}x)")
        table.append([way, *cells])
    torch.set_float32_matmul_precision("highest")
    return table


def same_numbers(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Compares the metrics of eager and of recorded runs."""
    splits = load_splits(experiment("LeNet5").data, Path("unused"), ("train", "val"))
    transforms = (RandomCrop(4), RandomHorizontalFlip())
    train = InMemoryImages(splits["train"], Preparation(MEAN, STD, 3, device(), transforms))
    val = InMemoryImages(splits["val"], Preparation(MEAN, STD, 3, device()))
    table = []
    for precision in (Precision.fp32, Precision.bf16):
        cells = []
        for model in MODELS:
            histories = []
            for setting in (CudaGraph.never, *SETTINGS):
                config = experiment(model, precision, setting)
                config.learner.hparams.model.head["dropout"] = 0.2
                fit = Fit(config, train, val)
                for _ in range(3):
                    fit.train_epoch()
                histories.append([metrics | {"epoch_seconds": 0} for metrics in fit.history])
            repeats, equal = histories[0] == histories[1], histories[1] == histories[2]
            rows.append(
                {"what": "epochs", "precision": precision.value, "model": model, "equal": equal, "repeats": repeats}
            )
            cells.append("equal" if equal else "other numbers" if repeats else "eager runs differ")
        table.append([precision.value, *cells])
    return table


def milliseconds(call: Callable[[], object], times: int = 7) -> float:
    """Returns the median of several calls, each with the device's work."""
    seconds = []
    for _ in range(times):
        wait()
        start = time.perf_counter()
        call()
        wait()
        seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds)


def around(data: Mapping[str, InMemoryImages], rows: list[dict[str, Any]]) -> list[list[str]]:
    """Measures what an epoch costs besides its steps."""
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            for setting in SETTINGS:
                fit = build(experiment(model, Precision.auto, setting), data)
                for _ in range(4):
                    fit.train_epoch()
                parts = {
                    "steps": milliseconds(fit._train_pass),
                    "validation": milliseconds(lambda fit=fit: fit.evaluate(fit._val, "val")),
                    "checkpoint": milliseconds(
                        lambda fit=fit: save_checkpoint(Path(folder, "checkpoint.pt"), fit.state_dict())
                    ),
                    "epoch": milliseconds(fit.train_epoch),
                }
                rows.append({"what": "around", "model": model, "graph": setting.value, **parts})
                whole = parts["epoch"] + parts["checkpoint"]
                share = 1 - parts["steps"] / whole
                table.append(
                    [f"{model}, {SHORT[setting]}", *(f"{value:.1f}" for value in parts.values()), f"{share:.0%}"]
                )
    return table


def start(data: Mapping[str, InMemoryImages], rows: list[dict[str, Any]]) -> list[list[str]]:
    """Measures the first epochs, and memory."""
    table = []
    for model in MODELS:
        for setting in SETTINGS:
            seconds = []
            for _ in range(3):
                if device() == "cuda":
                    torch.cuda.reset_peak_memory_stats()
                wait()
                began = time.perf_counter()
                fit = build(experiment(model, Precision.auto, setting), data)
                for _ in range(2):
                    fit.train_epoch()
                wait()
                seconds.append(time.perf_counter() - began)
            held = torch.cuda.max_memory_reserved() / 1e6 if device() == "cuda" else 0.0
            rows.append({"what": "start", "model": model, "graph": setting.value, "s": seconds, "reserved_mb": held})
            table.append([f"{model}, {SHORT[setting]}", f"{statistics.median(seconds):.2f}", f"{held:.0f}"])
    return table


def print_table(title: str, head: Sequence[str], table: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}\n")
    for line in (head, ["---"] * len(head), *table):
        print("| " + " | ".join(line) + " |")
    sys.stdout.flush()


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--quick", action="store_true", help="LeNet5 in float32 and bfloat16 alone, to see that it runs"
    )
    args = parser.parse_args()
    if args.quick:
        for name in [name for name in MODELS if name != "LeNet5"]:
            del MODELS[name]
        for name in [name for name in WAYS if name not in ("float32", "bfloat16")]:
            del WAYS[name]
    install()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    data = images()
    name = torch.cuda.get_device_name(0) if device() == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, Python {sys.version.split()[0]}")

    def write() -> None:
        args.out.write_text(json.dumps({"device": name, "torch": torch.__version__, "rows": rows}, indent=1))

    print_table("Metrics of three epochs, graph against eager", ["", *MODELS], same_numbers(rows))
    write()
    print_table("Steps a second, eager → graph", ["", *MODELS], steps(data, rows))
    write()
    head = ["", "steps, ms", "validation, ms", "checkpoint, ms", "epoch, ms", "around the steps"]
    print_table("An epoch", head, around(data, rows))
    write()
    print_table("The first two epochs, built anew", ["", "s", "memory held, MB"], start(data, rows))
    write()


if __name__ == "__main__":
    main()
