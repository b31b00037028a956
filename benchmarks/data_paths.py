"""How fast images reach a model, and in how much memory, by the way that they take.

    python benchmarks/data_paths.py

Writes a folder of 4,000 photos (JPEG, 64x64, noise on shapes) into a temporary folder and reads epochs of batches of
128 from it at 32x32, on one CPU thread. Each way runs in a process of its own, which reads one epoch to warm up and
then `EPOCHS` more; all ways take turns, `ROUNDS` times, so that a slow minute of the machine slows all. Seconds are
medians of all epochs, memory is the most that the process (and its loader processes, added up) held above what it held
after its imports. The table goes to benchmarks/results/data_paths.md. On 2 cores it takes about 4 minutes.

- in memory: `InMemoryImages`, decoded once before the epochs (that time is a column of its own).
- streamed: `StreamedImages`, decoded at every epoch, with 0 and 2 loader processes.
- DataLoader: torchvision's ImageFolder with v2 transforms, as its documentation has it, with 0 and 2 processes.

With and without the random crop and flip of CIFAR: batched on the device in ours, image by image in torchvision's.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, SIZE, STORED, BATCH = 4_000, 32, 64, 128
EPOCHS, ROUNDS = 3, 3
MEAN, STD = [0.5] * 3, [0.25] * 3
WAYS = ("in memory", "streamed, 0", "DataLoader, 0", "streamed, 2", "DataLoader, 2")
RESULT = Path(__file__).parent / "results" / "data_paths.md"


def write_photos(folder: Path) -> None:
    """Writes photos of ten classes."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((STORED // 8, STORED // 8, 1)))
        noisy = np.clip(pixels + rng.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)
        (folder / str(number % 10)).mkdir(exist_ok=True)
        Image.fromarray(noisy).save(folder / str(number % 10) / f"{number:05d}.jpg", quality=90)


def open_ours(folder: Path, in_memory: bool, workers: int, augmented: bool) -> Callable[[], Iterator[Any]]:
    """Returns what reads an epoch of ours."""
    import torch

    from sesemi_search.config.schema import DataConfig, RunConfig
    from sesemi_search.data import load_splits, open_images

    augment = "sesemi_search.data.augment."
    nodes = [{"_target_": augment + "RandomCrop", "padding": 4}, {"_target_": augment + "RandomHorizontalFlip"}]
    source = {"_target_": "sesemi_search.data.folder.ImageFolder", "folder": str(folder)}
    data = DataConfig(source, None, SIZE, 3, 1, 1, 0, mean=MEAN, std=STD, train_transforms=nodes if augmented else None)
    split = load_splits(data, folder, ["train"], 0.25 if in_memory else 0.0)["train"]
    images = open_images("train", split, data, RunConfig(num_workers=workers))
    return lambda: images.batches(BATCH, torch.randperm(len(images)), drop_last=True)


def open_torchvision(folder: Path, workers: int, augmented: bool) -> Callable[[], Iterator[Any]]:
    """Returns what reads an epoch of torchvision's."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    random = [v2.RandomCrop(SIZE, padding=4), v2.RandomHorizontalFlip()] if augmented else []
    steps = [v2.ToImage(), v2.Resize(SIZE, antialias=True), v2.CenterCrop(SIZE), *random]
    steps += [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    loader = DataLoader(
        ImageFolder(folder, v2.Compose(steps)),
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    return lambda: iter(loader)


@contextmanager
def watched_memory() -> Iterator[list[int]]:
    """Yields a list that gets the most bytes that this process and its children hold at once."""
    import psutil

    process, most, done = psutil.Process(), [0], threading.Event()

    def held() -> int:
        total = process.memory_info().rss
        for child in process.children(recursive=True):
            try:
                total += child.memory_full_info().uss  # what it does not share with its parent
            except psutil.Error:
                continue
        return total

    before = held()

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], held() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def measure(way: str, augmented: bool, folder: Path) -> dict[str, Any]:
    """Reads epochs in one way; returns the seconds of each, those before the first, and the memory."""
    import torch
    import torchvision  # noqa: F401  # both sides need it: its import is no memory of theirs

    import sesemi_search.data.images  # noqa: F401

    torch.set_num_threads(1)
    name, _, workers = way.partition(", ")
    with watched_memory() as most:
        start = time.perf_counter()
        if name == "DataLoader":
            read = open_torchvision(folder, int(workers), augmented)
        else:
            read = open_ours(folder, name == "in memory", int(workers or 0), augmented)
        opened = time.perf_counter() - start
        seconds = []
        for _ in range(EPOCHS + 1):
            start = time.perf_counter()
            count = sum(len(labels) for _, labels in read())
            seconds.append(time.perf_counter() - start)
            assert count == (IMAGES - 2) // BATCH * BATCH
    return {"seconds": seconds[1:], "opened": opened, "bytes": most[0]}


def table(results: dict[tuple[str, bool], list[dict[str, Any]]]) -> list[str]:
    """Returns the results as rows of Markdown."""
    rows = [
        "| way, loader processes | crop and flip | seconds an epoch | to DataLoader's | seconds to open | MB |",
        "|---|---|---|---|---|---|",
    ]

    def median(way: str, augmented: bool) -> float:
        return statistics.median(s for run in results[way, augmented] for s in run["seconds"])

    for (way, augmented), runs in results.items():
        workers = way.partition(", ")[2] or "0"
        ratio = median(way, augmented) / median(f"DataLoader, {workers}", augmented)
        opened, held = (statistics.median(run[key] for run in runs) for key in ("opened", "bytes"))
        rows.append(
            f"| {way} | {'yes' if augmented else 'no'} | {median(way, augmented):.3f} | {ratio:.2g} | {opened:.2f} "
            f"| {held / 1e6:.0f} |"
        )
    return rows


def main() -> None:
    """Runs all ways in turn and writes the table."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], sys.argv[2] == "True", Path(sys.argv[3]))))
        return
    results: dict[tuple[str, bool], list[dict[str, Any]]] = {(way, a): [] for a in (False, True) for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        write_photos(Path(folder))
        for _ in range(ROUNDS):
            for (way, augmented), runs in results.items():
                argv = [sys.executable, __file__, way, str(augmented), folder]
                done = subprocess.run(argv, capture_output=True, text=True, check=True)
                runs.append(json.loads(done.stdout.splitlines()[-1]))
    rows = table(results)
    print("\n".join(rows))
    head = [
        "# Ways of images to a model",
        "",
        f"`python benchmarks/data_paths.py`: {IMAGES:,} JPEG files of {STORED}x{STORED} as batches of {BATCH} at",
        f"{SIZE}x{SIZE}, one CPU thread of {os.cpu_count()} cores. Medians of {ROUNDS * EPOCHS} epochs; the ratio is",
        "to as many loader processes of torchvision's; memory is above that of the imports, loader processes included.",
        f"Load average at the end: {os.getloadavg()[0]:.1f} (1 where nothing else ran).",
        "",
    ]
    RESULT.write_text("\n".join([*head, *rows, ""]))


if __name__ == "__main__":
    main()
