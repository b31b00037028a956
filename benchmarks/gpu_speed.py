"""What a GPU gives small models: steps a second by how they are trained, trials that share it, models trained as one.

    python benchmarks/gpu_speed.py steps|packing|stacked|capture OUT.json

Batches of 128 of 4,000 digits, 32x32, that lie on the GPU as uint8; SGD with momentum. `benchmarks/gpu.sh` runs all of
it beside the tests that need a GPU. Each line of `steps` is the median of 5 epochs of 31 steps after 2 uncounted ones.

- Fit: what a trial does with `run.cuda_graph: never`, its evaluation left out; `cuda_graph.py` has it with a graph.
  bare: the shortest loop with the same data path.
- graph: forward and backward as one CUDA graph, an eager optimizer. graph+step: the optimizer's step in it as well.
- packing: processes that train as a trial does, all at once, without and with NVIDIA's MPS; steps a second together.
- stacked: K models of one architecture under `torch.func.vmap`, each with its own learning rate and batch.
- capture: whether a process can train on after a forward pass that cannot be captured.
"""

import argparse
import json
import multiprocessing
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments" / "src"))

from sesemi_search.config.schema import CudaGraph, DataConfig, ExperimentConfig, Precision
from sesemi_search.data import InMemoryImages, Preparation, load_splits
from sesemi_search.models import build_classifier
from sesemi_search.project.sesemi_modules import install
from sesemi_search.training import Fit

BATCH_SIZE, MEAN, STD = 128, [0.1307] * 3, [0.3081] * 3
MODELS: dict[str, dict[str, Any]] = {
    "LeNet5": {"_target_": "sesemi_tutorials.models.LeNet5"},
    "CIFARResNet-20": {"_target_": "sesemi_search.models.backbones.CIFARResNet", "n": 3},
    "ViT": {
        "_target_": "sesemi_search.models.backbones.ViT",
        "image_size": 32,
        "patch_size": 4,
        "dim": 128,
        "depth": 4,
        "num_heads": 4,
    },
}
HEAD = {"_target_": "sesemi_search.models.heads.LinearHead"}
PACKED = ("LeNet5", "CIFARResNet-20")
ROUNDS, WARM_UP = 5, 2


def experiment(
    model: str, precision: Precision = Precision.auto, cuda_graph: CudaGraph = CudaGraph.auto
) -> ExperimentConfig:
    """Returns an experiment on mnist5k."""
    config = ExperimentConfig()
    config.run.cuda_graph = cuda_graph
    config.run.num_epochs, config.run.batch_size_per_gpu, config.run.precision = 1000, BATCH_SIZE, precision
    config.data = DataConfig(
        source={"_target_": "sesemi_search.data.sources.MNIST5k"},
        image_size=32, channels=3, val_size=500, test_size=500, split_seed=0, mean=MEAN, std=STD,
    )  # fmt: skip
    hparams = config.learner.hparams
    hparams.num_classes = 10
    hparams.model.backbone, hparams.model.head = dict(MODELS[model]), dict(HEAD)
    hparams.model.loss = {"_target_": "torch.nn.CrossEntropyLoss"}
    hparams.optimizer = {"_target_": "torch.optim.SGD", "lr": 0.05, "momentum": 0.9}
    hparams.lr_scheduler.scheduler = {"_target_": "sesemi_search.training.lr_schedules.PolynomialLR"}
    return config


def images() -> dict[str, InMemoryImages]:
    """Returns the splits on the device."""
    splits = load_splits(experiment("LeNet5").data, Path("unused"), ("train", "val"))
    return {name: InMemoryImages(split, Preparation(MEAN, STD, 3, device())) for name, split in splits.items()}


def device() -> str:
    """Returns where to train: a machine without a GPU runs the same code, to see that it runs."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def wait() -> None:
    """Waits for the device."""
    if device() == "cuda":
        torch.cuda.synchronize()


def batches(train: InMemoryImages) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the batches of an epoch."""
    return iter(train.batches(BATCH_SIZE, torch.randperm(len(train)), True))


def rate(epoch: Callable[[], object], steps: int) -> float:
    """Returns steps a second."""
    seconds = []
    for i in range(WARM_UP + ROUNDS):
        wait()
        start = time.perf_counter()
        epoch()
        wait()
        if i >= WARM_UP:
            seconds.append(time.perf_counter() - start)
    return steps / statistics.median(seconds)


def bare(
    model: str, train: InMemoryImages, dtype: torch.dtype | None, fused: bool, channels_last: bool, graph: str
) -> Callable[[], None]:
    """Returns an epoch of the shortest loop, or of one that replays a CUDA graph."""
    torch.manual_seed(0)
    net = build_classifier(MODELS[model], HEAD, 10).to(device()).train()
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
    if graph == "compile":
        net = torch.compile(net)
    lr: Any = torch.tensor(0.05, device=device()) if graph == "graph+step" else 0.05
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, fused=fused)
    loss_function = nn.CrossEntropyLoss()

    def forward_backward(batch: Tensor, labels: Tensor) -> None:
        with torch.autocast(
            device(), dtype, enabled=dtype is not None, cache_enabled=graph not in ("graph", "graph+step")
        ):
            loss = loss_function(net(batch), labels)
        loss.backward()

    def eager(batch: Tensor, labels: Tensor) -> None:
        if channels_last:
            batch = batch.to(memory_format=torch.channels_last)
        optimizer.zero_grad(set_to_none=True)
        forward_backward(batch, labels)
        optimizer.step()

    if graph not in ("graph", "graph+step"):
        return lambda: [eager(*each) for each in batches(train)] and None
    static, static_labels = next(batches(train))
    if channels_last:
        static = static.to(memory_format=torch.channels_last)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            eager(static, static_labels)
        optimizer.zero_grad(set_to_none=True)
    torch.cuda.current_stream().wait_stream(stream)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        forward_backward(static, static_labels)
        if graph == "graph+step":
            optimizer.step()

    def epoch() -> None:
        for batch, labels in batches(train):
            static.copy_(batch)
            static_labels.copy_(labels)
            captured.replay()
            if graph == "graph":
                optimizer.step()

    return epoch


def steps() -> list[dict[str, Any]]:
    """Measures how fast one process trains."""
    data = images()
    train = data["train"]
    count = len(train) // BATCH_SIZE
    bf16 = torch.bfloat16
    ways: dict[str, tuple[torch.dtype | None, bool, bool, str]] = {
        "bare float32": (None, False, False, ""),
        "bare bfloat16": (bf16, False, False, ""),
        "bare bfloat16 fused": (bf16, True, False, ""),
        "bare bfloat16 fused channels_last": (bf16, True, True, ""),
        "graph float32 fused": (None, True, False, "graph"),
        "graph bfloat16 fused": (bf16, True, False, "graph"),
        "graph bfloat16 fused channels_last": (bf16, True, True, "graph"),
        "graph+step float32 fused": (None, True, False, "graph+step"),
        "graph+step bfloat16 fused": (bf16, True, False, "graph+step"),
        "compile bfloat16 fused": (bf16, True, False, "compile"),
    }
    rows = []

    def add(model: str, way: str, value: float | str) -> None:
        rows.append({"model": model, "way": way, "steps_per_s": value})
        print(f"{model:16s} {way:36s} {value if isinstance(value, str) else round(value)}", flush=True)

    for model in MODELS:
        for precision in (Precision.fp32, Precision.auto):
            fit = Fit(experiment(model, precision, CudaGraph.never), train, data["val"])
            add(model, f"Fit {precision.value}", rate(fit._train_pass, count))
            add(model, f"Fit {precision.value}, epochs a second with evaluation", rate(fit.train_epoch, 1))
        add(model, "batches alone", rate(lambda: list(batches(train)), count))
        for way, options in ways.items():
            if options[3] and (device() == "cpu" or (options[3] == "compile" and model != "CIFARResNet-20")):
                continue
            try:
                add(model, way, rate(bare(model, train, *options), count))
            except Exception as error:
                add(model, way, f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")
    return rows


def _train_in_turns(place: int, counts: Sequence[int], seconds: float, everyone: Any, results: Any) -> None:
    """Trains in the rounds of as many processes as have a place below the count; waits in the others."""
    install()
    torch.set_num_threads(1)
    data = images()
    steps = len(data["train"]) // BATCH_SIZE
    for model in PACKED:
        fit = Fit(experiment(model), data["train"], data["val"])
        for _ in range(WARM_UP):
            fit.train_epoch()
        for count in counts:
            everyone.wait(120)
            if place < count:
                done, start = 0, time.perf_counter()
                while time.perf_counter() - start < seconds:
                    fit.train_epoch()
                    done += steps
                wait()
                results.put((model, count, done / (time.perf_counter() - start)))


@contextmanager
def mps(on: bool) -> Iterator[bool]:
    """Runs NVIDIA's MPS, if it is there and wanted."""
    if not on:
        yield True
        return
    folder = tempfile.mkdtemp(prefix="mps-")
    names = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
    try:
        subprocess.run(["nvidia-cuda-mps-control", "-d"], check=True, env=os.environ | names, timeout=20)
    except (OSError, subprocess.SubprocessError) as error:
        print("no MPS:", error)
        yield False
        return
    os.environ.update(names)
    try:
        yield True
    finally:
        subprocess.run(["nvidia-cuda-mps-control"], input=b"quit\n", env=os.environ, timeout=20, check=False)
        for name in names:
            del os.environ[name]


def packing(counts: Sequence[int] = (1, 2, 4, 8, 16), seconds: float = 3.0) -> list[dict[str, Any]]:
    """Measures how fast several processes train at once, evaluation included."""
    context = multiprocessing.get_context("spawn")
    rows = []
    for shared in (False, True):
        with mps(shared) as there:
            if not there:
                continue
            everyone, results = context.Barrier(max(counts)), context.Queue()
            args = (counts, seconds, everyone, results)
            processes = [context.Process(target=_train_in_turns, args=(i, *args)) for i in range(max(counts))]
            for process in processes:
                process.start()
            try:
                for model in PACKED:
                    for count in counts:
                        told = [results.get(timeout=90) for _ in range(count)]
                        assert {each[:2] for each in told} == {(model, count)}
                        rows.append(
                            {
                                "model": model,
                                "mps": shared,
                                "processes": count,
                                "steps_per_s": sum(each[2] for each in told),
                            }
                        )
                        way = "MPS" if shared else "time slices"
                        print(
                            f"{model:16s} {way:12s} {count:3d} at once {rows[-1]['steps_per_s']:8.0f} steps/s",
                            flush=True,
                        )
                for process in processes:
                    process.join(20)
            except queue.Empty:
                print("a process did not answer", flush=True)
            finally:
                for process in processes:
                    process.kill()
    return rows


def stacked(counts: Sequence[int] = (1, 4, 16, 64)) -> list[dict[str, Any]]:
    """Measures K models trained as one, without and with a CUDA graph around the step."""
    train = images()["train"]
    rows = []
    for model in PACKED:
        for count in counts:
            for graphed in (False, True) if device() == "cuda" else (False,):
                step = _stacked_step(model, count, train)
                if graphed:
                    step = _capture(step)
                value = count * rate(lambda step=step: [step() for _ in range(10)], 10)
                rows.append({"model": model, "models": count, "graph": graphed, "steps_per_s": value})
                print(
                    f"{model:16s} {count:3d} as one {'graph' if graphed else 'eager'} {value:8.0f} steps/s", flush=True
                )
    return rows


def _stacked_step(model: str, count: int, train: InMemoryImages) -> Callable[[], None]:
    """Returns a step of SGD with momentum of K models, each with its own weights and learning rate."""
    nets = [build_classifier(MODELS[model], HEAD, 10).to(device()).train() for _ in range(count)]
    stacked_params, buffers = stack_module_state(nets)
    params = {name: each.detach() for name, each in stacked_params.items()}
    momenta = {name: torch.zeros_like(each) for name, each in params.items()}
    rates = torch.linspace(0.01, 0.1, count, device=device())
    base = nets[0].to("meta")

    def loss(own_params: Any, own_buffers: Any, batch: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(functional_call(base, (own_params, own_buffers), (batch,)), labels)

    gradient = vmap(grad(loss), in_dims=(0, 0, 0, 0), randomness="different")
    batch, labels = next(batches(train))
    batch, labels = batch.repeat(count, 1, 1, 1, 1), labels.repeat(count, 1)

    def step() -> None:
        for name, each in gradient(params, buffers, batch, labels).items():
            momenta[name].mul_(0.9).add_(each)
            params[name].sub_(momenta[name] * rates.view(-1, *[1] * (each.dim() - 1)))

    return step


def _capture(step: Callable[[], None]) -> Callable[[], None]:
    """Returns a step's CUDA graph."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        step()
    return captured.replay


def capture() -> list[dict[str, Any]]:
    """Says what a failed capture leaves behind, and whether a replayed run gives the eager run's losses."""
    rows: list[dict[str, Any]] = []

    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) * float(x.mean().item())

    net, x = Reads().cuda(), torch.randn(4, 8, device="cuda")
    net(x).sum().backward()
    net.zero_grad(set_to_none=True)
    try:
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            net(x).sum().backward()
    except Exception as error:
        rows.append(
            {"fact": "capture of .item()", "value": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}
        )
    for name, call in {
        "seed": lambda: torch.manual_seed(1),
        "random": lambda: torch.rand(2, device="cuda").tolist(),
        "train": lambda: net(x).sum().backward(),
        "synchronize": torch.cuda.synchronize,
        "capture again": lambda: _capture_layer(net.layer, x),
    }.items():
        try:
            call()
            rows.append({"fact": f"afterwards: {name}", "value": "works"})
        except Exception as error:
            rows.append(
                {"fact": f"afterwards: {name}", "value": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}
            )

    def run(graphed: bool) -> list[float]:
        torch.manual_seed(0)
        layer = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Dropout(0.5), nn.Linear(64, 10)).cuda()
        optimizer = torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9)
        data = torch.randn(40, 32, 64, device="cuda")
        labels = torch.randint(10, (40, 32), device="cuda")
        static_x, static_y = data[0].clone(), labels[0].clone()
        losses, captured, static_loss = [], None, torch.zeros((), device="cuda")
        stream = torch.cuda.Stream()
        for i in range(40):
            if i % 10 == 0:
                torch.manual_seed(i)
            static_x.copy_(data[i])
            static_y.copy_(labels[i])
            if graphed and i >= 3:
                if captured is None:
                    optimizer.zero_grad(set_to_none=True)
                    captured = torch.cuda.CUDAGraph()
                    with torch.cuda.graph(captured):
                        static_loss = nn.functional.cross_entropy(layer(static_x), static_y)
                        static_loss.backward()
                captured.replay()
                optimizer.step()
                losses.append(static_loss.item())
                continue
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                optimizer.zero_grad(set_to_none=True)
                loss = nn.functional.cross_entropy(layer(static_x), static_y)
                loss.backward()
                optimizer.step()
            torch.cuda.current_stream().wait_stream(stream)
            losses.append(loss.item())
        return losses

    eager, graphed = run(False), run(True)
    rows.append(
        {
            "fact": "a graph from step 4 on, with dropout and reseeding, gives the eager losses",
            "value": eager == graphed,
        }
    )
    rows.append(
        {
            "fact": "first losses that differ",
            "value": [i for i, (a, b) in enumerate(zip(eager, graphed, strict=True)) if a != b][:5],
        }
    )
    for row in rows:
        print(row["fact"], "->", row["value"], flush=True)
    return rows


def _capture_layer(layer: nn.Module, x: Tensor) -> None:
    layer.zero_grad(set_to_none=True)
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        layer(x).sum().backward()


def main() -> None:
    """Runs one of the measurements and writes its rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("steps", "packing", "stacked", "capture"))
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    install()
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name(0) if device() == "cuda" else "CPU"
    rows = {"steps": steps, "packing": packing, "stacked": stacked, "capture": capture}[args.what]()
    args.out.write_text(json.dumps({"device": name, "torch": torch.__version__, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
