"""How much memory there is for images, and giving back what nothing uses any more."""

import gc
import os
from pathlib import Path

import torch

__all__ = ["available_bytes", "release_memory"]

_CGROUP = Path("/sys/fs/cgroup")


def available_bytes() -> int:
    """Returns the bytes that a process may still use here: the machine's, or its container's where that has less."""
    return max(0, min(_machine_bytes(), *_container_bytes()))


def release_memory(device: torch.device) -> None:
    """Gives back what this process has let go of on a GPU, as the last trial's model in a worker that is used again.

    Objects that refer to each other outlive their last user until Python looks for them, which torch does not ask for
    before it runs out of memory. And what torch keeps for later is lost to the other trials of a shared GPU.
    """
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def _machine_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _container_bytes() -> list[int]:
    """Returns what is left of a container's limit (cgroup version 2, then 1); nothing where there is none."""
    left = [1 << 62]
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            # Pages of files count as used, and are given back when they are needed.
            stat = (_CGROUP / limit).with_name("memory.stat").read_text().split()
            cached = int(stat[stat.index("inactive_file") + 1])
            left.append(int((_CGROUP / limit).read_text()) - int((_CGROUP / used).read_text()) + cached)
        except (OSError, ValueError):  # "max" is no limit
            continue
    return left
